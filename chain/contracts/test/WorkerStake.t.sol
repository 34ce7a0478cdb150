// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {WorkerStake} from "../WorkerStake.sol";
import {DevToken} from "../DevToken.sol";
import {FeeToken, ReentrantToken} from "./HostileTokens.sol";
import {Test} from "./Test.sol";

contract WorkerStakeTest is Test {
    DevToken private token;
    WorkerStake private stake;

    address private constant ALICE = address(0xA11CE);
    address private constant BOB = address(0xB0B);
    uint48 private constant PERIOD = 7 days;

    function setUp() public {
        vm.warp(1_000_000);
        token = new DevToken();
        stake = new WorkerStake(token, PERIOD);
    }

    function test_itsTermsAreBounded() public {
        vm.expectRevert(WorkerStake.TermsInvalid.selector);
        new WorkerStake(IERC20(ALICE), PERIOD);
        vm.expectRevert(WorkerStake.TermsInvalid.selector);
        new WorkerStake(token, 365 days + 1);
        assertEq(new WorkerStake(token, 365 days).unbondingSeconds(), 365 days, "a year");
    }

    function test_whatIsUnbondingCountsNoMoreAndComesBackAfterThePeriod() public {
        _deposit(ALICE, ALICE, 100);
        vm.prank(ALICE);
        stake.requestWithdraw(40);
        assertEq(stake.stakeOf(ALICE), 60, "counts at once");
        vm.warp(block.timestamp + PERIOD - 1);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(WorkerStake.StillUnbonding.selector, 1_000_000 + PERIOD));
        stake.withdraw();
        vm.warp(block.timestamp + 1);
        vm.prank(ALICE);
        assertEq(stake.withdraw(), 40, "all that had unbonded");
        assertEq(token.balanceOf(ALICE), 40, "paid");
        assertEq(stake.stakeOf(ALICE), 60, "the rest stays");
        vm.prank(ALICE);
        vm.expectRevert(WorkerStake.NothingToWithdraw.selector);
        stake.withdraw();
    }

    function test_aSecondRequestMakesBothWait() public {
        _deposit(ALICE, ALICE, 100);
        vm.prank(ALICE);
        stake.requestWithdraw(40);
        vm.warp(block.timestamp + PERIOD);
        vm.prank(ALICE);
        stake.requestWithdraw(1);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(WorkerStake.StillUnbonding.selector, 1_000_000 + 2 * PERIOD));
        stake.withdraw();
        (uint256 amount,) = stake.unbondingOf(ALICE);
        assertEq(amount, 41, "together");
    }

    /// A gift adds to a stake; it neither delays what is leaving nor gives the giver any part of it.
    function test_whoPaysForAnotherGivesItAway() public {
        _deposit(ALICE, ALICE, 100);
        vm.prank(ALICE);
        stake.requestWithdraw(100);
        _deposit(BOB, ALICE, 5);
        assertEq(stake.stakeOf(ALICE), 5, "Alice's");
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(WorkerStake.StakeTooSmall.selector, 0));
        stake.requestWithdraw(1);
        vm.warp(block.timestamp + PERIOD);
        vm.prank(ALICE);
        assertEq(stake.withdraw(), 100, "in its time");
    }

    function test_amountsAreBounded() public {
        vm.expectRevert(WorkerStake.AmountZero.selector);
        stake.deposit(0);
        vm.expectRevert(WorkerStake.AmountZero.selector);
        stake.requestWithdraw(0);
        vm.expectRevert(WorkerStake.AccountZero.selector);
        stake.depositFor(address(0), 1);
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 104, 1 << 104));
        stake.deposit(1 << 104);
        _deposit(ALICE, ALICE, (1 << 104) - 1);
        assertEq(stake.stakeOf(ALICE), (1 << 104) - 1, "the most");
    }

    function test_feeOnTransferTokensAreRefused() public {
        FeeToken fee = new FeeToken();
        stake = new WorkerStake(fee, PERIOD);
        fee.mint(address(this), 1000);
        fee.approve(address(stake), 1000);
        vm.expectRevert(abi.encodeWithSelector(WorkerStake.TokenTookFee.selector, 1000, 990));
        stake.deposit(1000);
    }

    function test_aReentrantTokenGainsNothing() public {
        ReentrantToken hook = new ReentrantToken();
        stake = new WorkerStake(hook, 0);
        hook.mint(address(this), 100);
        hook.approve(address(stake), 100);
        hook.arm(address(stake), abi.encodeCall(WorkerStake.deposit, (1)));
        stake.deposit(100);
        _assertReentryRefused(hook);
        stake.requestWithdraw(60);
        hook.arm(address(stake), abi.encodeCall(WorkerStake.withdraw, ()));
        assertEq(stake.withdraw(), 60, "once");
        _assertReentryRefused(hook);
        assertEq(hook.balanceOf(address(stake)), 40, "the rest is staked");
    }

    function _assertReentryRefused(ReentrantToken hook) private view {
        assertTrue(hook.attempted() && !hook.succeeded(), "re-entered");
        assertTrue(
            hook.failure() == ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector, "refused otherwise"
        );
    }

    function _deposit(address payer, address account, uint256 amount) private {
        token.mint(payer, amount);
        vm.prank(payer);
        token.approve(address(stake), amount);
        vm.prank(payer);
        stake.depositFor(account, amount);
    }
}
