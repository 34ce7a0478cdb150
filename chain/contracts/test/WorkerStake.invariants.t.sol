// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {WorkerStake} from "../WorkerStake.sol";
import {DevToken} from "../DevToken.sol";
import {StakeHandler} from "./StakeHandler.sol";
import {Test} from "./Test.sol";

/// What holds of every stake after any sequence of calls (forge calls the handler at random, see foundry.toml).
contract WorkerStakeInvariants is Test {
    StakeHandler private handler;
    WorkerStake private stake;
    DevToken private token;

    function setUp() public {
        handler = new StakeHandler();
        (stake, token) = (handler.stake(), handler.token());
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](5);
        selectors[0] = StakeHandler.deposit.selector;
        selectors[1] = StakeHandler.donate.selector;
        selectors[2] = StakeHandler.request.selector;
        selectors[3] = StakeHandler.withdraw.selector;
        selectors[4] = StakeHandler.pass.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function invariant_everyStakeIsThere() public view {
        uint256 held;
        for (uint256 i = 0; i < 3; ++i) {
            address account = handler.accounts(i);
            StakeHandler.Book memory expected = handler.book(account);
            (uint256 unbonding, uint48 withdrawableAt) = stake.unbondingOf(account);
            assertEq(stake.stakeOf(account), expected.active, "active");
            assertEq(unbonding, expected.unbonding, "unbonding");
            if (unbonding > 0) assertEq(withdrawableAt, expected.freeAt, "free at");
            held += expected.active + expected.unbonding;
        }
        assertEq(token.balanceOf(address(stake)), held + handler.ghostDonated(), "solvent to the wei");
        assertTrue(bytes(handler.violation()).length == 0, handler.violation());
    }

    /// forge calls this after each sequence: everybody gets back everything.
    function afterInvariant() public {
        handler.windUp();
        assertEq(token.balanceOf(address(stake)), handler.ghostDonated(), "all of it went back");
    }
}
