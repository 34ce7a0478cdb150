// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DevToken} from "../DevToken.sol";

/// Keeps a hundredth of every transfer.
contract FeeToken is DevToken {
    function _update(address from, address to, uint256 value) internal override {
        uint256 fee = from == address(0) || to == address(0) ? 0 : value / 100;
        if (fee > 0) super._update(from, address(0), fee);
        super._update(from, to, value - fee);
    }
}

/// Calls back into a target during every transfer, as an ERC-777 hook could, and keeps the answer.
contract ReentrantToken is DevToken {
    address public target;
    bytes public call;
    bool public attempted;
    bool public succeeded;
    bytes4 public failure;

    function arm(address target_, bytes calldata call_) external {
        (target, call, attempted, succeeded) = (target_, call_, false, false);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (target == address(0)) return;
        address victim = target;
        target = address(0);
        attempted = true;
        bytes memory answer;
        (succeeded, answer) = victim.call(call);
        if (!succeeded) failure = bytes4(answer);
    }
}
