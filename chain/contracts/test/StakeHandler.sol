// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {WorkerStake} from "../WorkerStake.sol";
import {DevToken} from "../DevToken.sol";
import {Test} from "./Test.sol";

/// What the fuzzer may do to a stake: three accounts that pay in for each other, ask back and withdraw in any order. It
/// keeps its own books, which the invariants compare with the contract's.
contract StakeHandler is Test {
    struct Book {
        uint256 active;
        uint256 unbonding;
        uint256 freeAt;
        uint256 withdrawn;
    }

    uint48 public constant PERIOD = 100;
    DevToken public immutable token = new DevToken();
    WorkerStake public immutable stake;
    address[3] public accounts = [address(0xA001), address(0xA002), address(0xA003)];
    mapping(address account => Book) private _books;
    uint256 public ghostDonated;
    /// Named by what went wrong; empty while nothing did.
    string public violation;

    constructor() {
        vm.warp(1_000_000);
        stake = new WorkerStake(token, PERIOD);
    }

    function book(address account) external view returns (Book memory) {
        return _books[account];
    }

    function deposit(uint256 payerSeed, uint256 accountSeed, uint256 amountSeed) external {
        (address payer, address account) = (accounts[payerSeed % 3], accounts[accountSeed % 3]);
        uint256 amount = bound(amountSeed, 1, 1e24);
        token.mint(payer, amount);
        vm.prank(payer);
        token.approve(address(stake), amount);
        vm.prank(payer);
        stake.depositFor(account, amount);
        _books[account].active += amount;
    }

    /// Tokens sent past `deposit`: nobody's, and they must not count.
    function donate(uint256 amountSeed) external {
        uint256 amount = bound(amountSeed, 1, 1e24);
        token.mint(address(stake), amount);
        ghostDonated += amount;
    }

    function request(uint256 accountSeed, uint256 amountSeed) external {
        address account = accounts[accountSeed % 3];
        Book storage mine = _books[account];
        uint256 amount = bound(amountSeed, 0, mine.active + 1);
        vm.prank(account);
        try stake.requestWithdraw(amount) {
            if (amount == 0 || amount > mine.active) violation = "asked back what was not there";
            mine.active -= amount;
            mine.unbonding += amount;
            mine.freeAt = block.timestamp + PERIOD;
        } catch {
            if (amount > 0 && amount <= mine.active) violation = "a possible request was refused";
        }
    }

    function withdraw(uint256 accountSeed) external {
        address account = accounts[accountSeed % 3];
        Book storage mine = _books[account];
        uint256 before = token.balanceOf(account);
        bool free = mine.unbonding > 0 && block.timestamp >= mine.freeAt;
        vm.prank(account);
        try stake.withdraw() returns (uint256 amount) {
            if (!free) violation = "withdrawn before its time";
            if (amount != mine.unbonding) violation = "withdrew something else than what had unbonded";
            if (token.balanceOf(account) != before + amount) violation = "paid something else than it said";
            mine.withdrawn += amount;
            mine.unbonding = 0;
        } catch {
            if (free) violation = "a possible withdrawal was refused";
        }
    }

    function pass(uint256 secondsSeed) external {
        vm.warp(block.timestamp + bound(secondsSeed, 1, PERIOD));
    }

    /// Everybody leaves.
    function windUp() external {
        for (uint256 i = 0; i < accounts.length; ++i) {
            uint256 active = stake.stakeOf(accounts[i]);
            if (active == 0) continue;
            vm.prank(accounts[i]);
            stake.requestWithdraw(active);
            _books[accounts[i]].unbonding += active;
            _books[accounts[i]].active = 0;
        }
        vm.warp(block.timestamp + 2 * PERIOD);
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (_books[accounts[i]].unbonding == 0) continue;
            vm.prank(accounts[i]);
            _books[accounts[i]].withdrawn += stake.withdraw();
            _books[accounts[i]].unbonding = 0;
        }
    }
}
