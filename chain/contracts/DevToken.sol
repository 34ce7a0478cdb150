// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A worthless token for local devnets and tests: anyone may mint any amount. Never deploy it elsewhere.
contract DevToken is ERC20, ERC20Permit {
    constructor() ERC20("Murmuration Dev Token", "devMUR") ERC20Permit("Murmuration Dev Token") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
