// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IRunEscrow} from "../IRunEscrow.sol";
import {RunEscrow} from "../RunEscrow.sol";
import {DevToken} from "../DevToken.sol";
import {Payouts} from "./Payouts.sol";
import {FeeToken, ReentrantToken} from "./HostileTokens.sol";
import {Test} from "./Test.sol";

contract RunEscrowTest is Test {
    RunEscrow private escrow;
    DevToken private token;
    bytes32 private run;
    address[] private standbys;

    address private constant ALICE = address(0xA11CE);
    address private constant BOB = address(0xB0B);
    address private constant CAROL = address(0xCA201);
    address private constant WORKER = address(0x3031);
    address private constant OTHER = address(0x3032);
    bytes32 private constant SPEC = keccak256("spec");
    uint128 private constant REWARD = 100;
    uint32 private constant WINDOW = 60;

    function setUp() public {
        vm.warp(1_000_000);
        vm.roll(100);
        escrow = new RunEscrow();
        token = new DevToken();
        run = _create(SPEC, token, 10);
    }

    // ---- creation

    function test_anotherSenderCannotOccupyARun() public {
        vm.prank(CAROL);
        bytes32 squatted = escrow.createRun(SPEC, token, REWARD, 10, WINDOW, 2_000_000, standbys);
        assertTrue(squatted != run, "same id");
        assertTrue(escrow.runs(run).coordinator == address(this), "coordinator changed");
    }

    function test_aRunIsCreatedOnceAndWithUsableTerms() public {
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.RunExists.selector, run));
        escrow.createRun(SPEC, token, REWARD, 10, WINDOW, 2_000_000, standbys);
        vm.expectRevert(IRunEscrow.TermsInvalid.selector);
        escrow.createRun("other", IERC20(ALICE), REWARD, 10, WINDOW, 2_000_000, standbys);
        vm.expectRevert(IRunEscrow.TermsInvalid.selector);
        escrow.createRun("other", token, 0, 10, WINDOW, 2_000_000, standbys);
        vm.expectRevert(IRunEscrow.TermsInvalid.selector);
        escrow.createRun("other", token, REWARD, 0, WINDOW, 2_000_000, standbys);
        vm.expectRevert(IRunEscrow.TermsInvalid.selector);
        escrow.createRun("other", token, REWARD, 10, WINDOW, uint64(block.timestamp), standbys);
    }

    // ---- funding

    function test_unknownRunsTakeNoMoney() public {
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.RunUnknown.selector, bytes32("nothing")));
        escrow.fund("nothing", 1);
    }

    function test_laterFundersDoNotPayForEarlierEpochs() public {
        _fund(ALICE, 100);
        _settle(0, "root", 50);
        _fund(BOB, 50); // As much as Alice has left.
        _settle(1, "root", 80);
        escrow.finish(run, 0);
        escrow.refund(run, ALICE);
        escrow.refund(run, BOB);
        assertEq(token.balanceOf(ALICE), 35, "Alice: 100 - 50 - half of 30");
        assertEq(token.balanceOf(BOB), 35, "Bob: 50 - half of 30");
    }

    function test_fundingAfterEverythingWasSpentBeginsANewGeneration() public {
        _fund(ALICE, 100);
        _settle(0, "root", 100);
        _fund(BOB, 40);
        (uint256 shares, uint128 value) = escrow.funding(run, ALICE);
        assertEq(shares + value, 0, "Alice's money is spent");
        (shares, value) = escrow.funding(run, BOB);
        assertEq(shares, 40, "Bob's shares");
        assertEq(value, 40, "Bob's value");
        escrow.finish(run, 0);
        vm.expectRevert(IRunEscrow.NothingToRefund.selector);
        escrow.refund(run, ALICE);
        escrow.refund(run, BOB);
        assertEq(token.balanceOf(BOB), 40, "all of it is Bob's");
    }

    function test_repeatedNearDepletionNeverBlocksFunding() public {
        uint128 unit = 1e24;
        run = _createWith("deep", token, unit, 10);
        uint128 reserved;
        for (uint32 epoch = 0; epoch < 7; ++epoch) {
            _fund(ALICE, unit);
            (,,, uint128 unspent,) = escrow.accounting(run);
            uint128 spend = unspent - 1 < unit ? unspent - 1 : unit;
            reserved += spend;
            _settle(epoch, "root", reserved);
            vm.warp(block.timestamp + WINDOW);
        }
        _fund(BOB, 5);
        (, uint128 value) = escrow.funding(run, BOB);
        assertTrue(value >= 4, "Bob's money is his");
    }

    function test_feeOnTransferTokensAreRefused() public {
        FeeToken feeToken = new FeeToken();
        run = _create("fee", feeToken, 10);
        feeToken.mint(ALICE, 1000);
        vm.prank(ALICE);
        feeToken.approve(address(escrow), 1000);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.TokenTookFee.selector, 1000, 990));
        escrow.fund(run, 1000);
    }

    function test_permitFundsWithoutApprovalAndSurvivesBeingFrontRun() public {
        uint256 key = 0xF00D;
        address funder = vm.addr(key);
        token.mint(funder, 30);
        (uint8 v, bytes32 r, bytes32 s) = _permit(key, 10);
        vm.prank(funder);
        escrow.fundWithPermit(run, 10, 2_000_000, v, r, s);
        (v, r, s) = _permit(key, 20);
        token.permit(funder, address(escrow), 20, 2_000_000, v, r, s); // Someone was first.
        vm.prank(funder);
        escrow.fundWithPermit(run, 20, 2_000_000, v, r, s);
        (uint128 funded,,,,) = escrow.accounting(run);
        assertEq(funded, 30, "funded");
    }

    // ---- the lease

    function test_aRunStartsInTermZeroLedByItsCoordinator() public view {
        IRunEscrow.Run memory state = escrow.runs(run);
        assertTrue(state.leader == address(this) && state.term == 0, "led by its coordinator in term 0");
        assertTrue(escrow.mayLead(run, address(this)) && !escrow.mayLead(run, ALICE), "who may lead");
    }

    function test_standbysAreFewOthersAndNamedOnce() public {
        for (uint160 i = 1; i <= 7; ++i) standbys.push(address(i));
        escrow.createRun("seven", token, REWARD, 10, WINDOW, 2_000_000, standbys);
        standbys.push(address(8));
        _expectStandbysInvalid();
        standbys = [ALICE, BOB, ALICE];
        _expectStandbysInvalid();
        standbys = [ALICE, address(0)];
        _expectStandbysInvalid();
        standbys = [address(this)];
        _expectStandbysInvalid();
    }

    function test_onlyCoordinatorAndStandbysTakeTheLeaseAndOnlyUpwards() public {
        run = _createWithStandbys();
        vm.prank(CAROL);
        vm.expectRevert(IRunEscrow.NeitherCoordinatorNorStandby.selector);
        escrow.takeLease(run, 8);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.TermStale.selector, 0));
        escrow.takeLease(run, 0);
        escrow.takeLease(run, 8);
        vm.prank(ALICE);
        escrow.takeLease(run, 9);
        bytes memory stale = abi.encodeWithSelector(IRunEscrow.TermStale.selector, 9);
        for (uint32 term = 7; term <= 9; ++term) {
            vm.expectRevert(stale);
            escrow.takeLease(run, term);
        }
        IRunEscrow.Run memory state = escrow.runs(run);
        assertTrue(state.leader == ALICE && state.term == 9, "Alice leads term 9");
        assertTrue(state.coordinator == address(this), "the coordinator stays");
    }

    function test_noSingleCallUsesTheTermsUp() public {
        uint32 step = escrow.MAX_TERM_STEP();
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.TermTooFar.selector, step));
        escrow.takeLease(run, type(uint32).max);
        escrow.takeLease(run, step);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.TermTooFar.selector, 2 * step));
        escrow.takeLease(run, 2 * step + 1);
    }

    /// The old leader wakes up in the middle of an epoch that the new one has taken over: none of its calls does anything.
    function test_anOldTermIsFencedOffAndItsEpochSettledByTheNewLeader() public {
        run = _createWithStandbys();
        _fund(ALICE, 100);
        _close(0);
        vm.prank(BOB);
        escrow.takeLease(run, 9);
        bytes memory stale = abi.encodeWithSelector(IRunEscrow.TermStale.selector, 9);
        vm.expectRevert(stale);
        escrow.settleEpoch(run, 0, "old root", 100, "checkpoint", 0);
        vm.expectRevert(stale);
        escrow.closeEpoch(run, 1, "history", 0);
        vm.expectRevert(stale);
        escrow.finish(run, 0);
        // Naming the other's term does not help: it is not this account's.
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.OnlyLeader.selector, BOB));
        escrow.settleEpoch(run, 0, "old root", 100, "checkpoint", 9);
        vm.prank(BOB);
        escrow.settleEpoch(run, 0, "new root", 10, "checkpoint", 9);
        vm.prank(BOB);
        escrow.finish(run, 9);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.RunAlreadyEnded.selector, run));
        escrow.takeLease(run, 16);
    }

    /// Two heads with one account: the term alone tells them apart.
    function test_theSameAccountIsFencedByItsTerm() public {
        _fund(ALICE, 100);
        escrow.takeLease(run, 8);
        escrow.closeEpoch(run, 0, "history", 8);
        escrow.takeLease(run, 9);
        vm.roll(block.number + 2);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.TermStale.selector, 9));
        escrow.settleEpoch(run, 0, "root", 10, "checkpoint", 8);
        escrow.settleEpoch(run, 0, "root", 10, "checkpoint", 9);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.EpochOutOfOrder.selector, 1));
        escrow.settleEpoch(run, 0, "root", 10, "checkpoint", 9);
    }

    function test_aStandbyThatOpensTheSpecOpensAnotherRun() public {
        run = _createWithStandbys();
        vm.prank(ALICE);
        bytes32 other = escrow.createRun("led", token, REWARD, 10, WINDOW, 2_000_000, new address[](0));
        assertTrue(other != run, "another run");
        assertTrue(escrow.runs(run).leader == address(this), "the run's leader stays");
        assertTrue(!escrow.mayLead(other, address(this)), "and is none of the other's");
    }

    // ---- epochs

    function test_onlyTheLeaderClosesSettlesAndFinishes() public {
        _fund(ALICE, 100);
        bytes memory refusal = abi.encodeWithSelector(IRunEscrow.OnlyLeader.selector, address(this));
        vm.prank(ALICE);
        vm.expectRevert(refusal);
        escrow.closeEpoch(run, 0, "history", 0);
        escrow.closeEpoch(run, 0, "history", 0);
        vm.roll(block.number + 2);
        vm.prank(ALICE);
        vm.expectRevert(refusal);
        escrow.settleEpoch(run, 0, "root", 10, "checkpoint", 0);
        vm.prank(ALICE);
        vm.expectRevert(refusal);
        escrow.finish(run, 0);
    }

    function test_epochsCloseInOrderAndOnceEach() public {
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.EpochOutOfOrder.selector, 0));
        escrow.closeEpoch(run, 1, "history", 0);
        escrow.closeEpoch(run, 0, "history", 0);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.EpochOutOfOrder.selector, 1));
        escrow.closeEpoch(run, 0, "history", 0);
        (bytes32 historyRoot, uint64 blockNumber) = escrow.closure(run, 0);
        assertTrue(historyRoot == "history", "history root");
        assertEq(blockNumber, block.number, "block of the close");
    }

    function test_anEpochSettlesOnlyOnceItsBeaconIsKnown() public {
        _fund(ALICE, 100);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.EpochNotClosed.selector, 0));
        escrow.settleEpoch(run, 0, "root", 10, "checkpoint", 0);
        escrow.closeEpoch(run, 0, "history", 0);
        vm.roll(101);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.BeaconNotReady.selector, 102));
        escrow.settleEpoch(run, 0, "root", 10, "checkpoint", 0);
        vm.roll(102);
        escrow.settleEpoch(run, 0, "root", 10, "checkpoint", 0);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.EpochOutOfOrder.selector, 1));
        escrow.settleEpoch(run, 0, "root", 10, "checkpoint", 0);
    }

    function test_anEpochReservesNoMoreThanItsRewardAndWhatIsUnspent() public {
        _fund(ALICE, 150);
        _close(0);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.RewardExceeded.selector, 101, REWARD));
        escrow.settleEpoch(run, 0, "root", 101, "checkpoint", 0);
        escrow.settleEpoch(run, 0, "root", 100, "checkpoint", 0);
        _close(1);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.Underfunded.selector, 51, 50));
        escrow.settleEpoch(run, 1, "root", 151, "checkpoint", 0);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.TotalDecreased.selector, 100));
        escrow.settleEpoch(run, 1, "root", 99, "checkpoint", 0);
        escrow.settleEpoch(run, 1, "root", 150, "checkpoint", 0);
    }

    function test_sevenEpochsMayBePendingAndTheNewestFinalOneStaysClaimable() public {
        _fund(ALICE, 1000);
        bytes32 sibling = _leaf(OTHER, 1);
        _settle(0, Payouts.root(_leaf(WORKER, 10), sibling), 11);
        vm.warp(block.timestamp + WINDOW);
        for (uint32 epoch = 1; epoch <= 7; ++epoch) _settle(epoch, "root", 11 + epoch);
        _close(8);
        vm.expectRevert(
            abi.encodeWithSelector(IRunEscrow.TooManyPending.selector, uint64(block.timestamp) + WINDOW)
        );
        escrow.settleEpoch(run, 8, "root", 20, "checkpoint", 0);
        escrow.claim(run, WORKER, 10, Payouts.proof(sibling));
        vm.warp(block.timestamp + WINDOW);
        escrow.settleEpoch(run, 8, "root", 20, "checkpoint", 0);
        (uint32 count,, uint128 total) = escrow.finalized(run);
        assertEq(count, 8, "epochs 0 to 7 are final");
        assertEq(total, 18, "total of epoch 7");
    }

    // ---- claims

    function test_nothingIsClaimableInsideItsWindow() public {
        _fund(ALICE, 100);
        bytes32 sibling = _leaf(OTHER, 20);
        _settle(0, Payouts.root(_leaf(WORKER, 30), sibling), 50);
        vm.warp(block.timestamp + WINDOW - 1);
        vm.expectRevert(IRunEscrow.ProofInvalid.selector);
        escrow.claim(run, WORKER, 30, Payouts.proof(sibling));
        vm.warp(block.timestamp + 1);
        vm.prank(CAROL); // Anyone, for the account.
        escrow.claim(run, WORKER, 30, Payouts.proof(sibling));
        assertEq(token.balanceOf(WORKER), 30, "paid");
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.NothingToClaim.selector, 30));
        escrow.claim(run, WORKER, 30, Payouts.proof(sibling));
    }

    function test_aMissedClaimIsPaidWithTheNext() public {
        _fund(ALICE, 200);
        _settle(0, Payouts.root(_leaf(WORKER, 30), _leaf(OTHER, 20)), 50);
        _settle(1, Payouts.root(_leaf(WORKER, 70), _leaf(OTHER, 20)), 90);
        vm.warp(block.timestamp + WINDOW);
        assertEq(escrow.claim(run, WORKER, 70, Payouts.proof(_leaf(OTHER, 20))), 70, "both epochs");
    }

    function test_aMaliciousRootPaysNoMoreThanWasFinalized() public {
        _fund(ALICE, 100);
        bytes32 victim = _create("victim", token, 10);
        token.mint(BOB, 1000);
        vm.prank(BOB);
        token.approve(address(escrow), 1000);
        vm.prank(BOB);
        escrow.fund(victim, 1000);
        bytes32 sibling = _leaf(OTHER, 60);
        _settle(0, Payouts.root(_leaf(WORKER, 60), sibling), 100); // Promises 120 of 100.
        vm.warp(block.timestamp + WINDOW);
        escrow.claim(run, WORKER, 60, Payouts.proof(sibling));
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.ClaimsExceedFinalized.selector, 100));
        escrow.claim(run, OTHER, 60, Payouts.proof(_leaf(WORKER, 60)));
        assertEq(token.balanceOf(address(escrow)), 1040, "the other run's money is untouched");
    }

    function test_claimsAreBoundToChainContractAndRun() public {
        _fund(ALICE, 100);
        bytes32 sibling = _leaf(OTHER, 20);
        bytes32 root = Payouts.root(_leaf(WORKER, 30), sibling);
        _settle(0, root, 50);
        vm.warp(block.timestamp + WINDOW);

        bytes32 mine = run;
        run = _create("second", token, 10);
        _fund(ALICE, 100);
        _settle(0, root, 50);
        vm.warp(block.timestamp + WINDOW);
        vm.expectRevert(IRunEscrow.ProofInvalid.selector);
        escrow.claim(run, WORKER, 30, Payouts.proof(sibling));

        uint256 chainId = block.chainid;
        vm.chainId(chainId + 1);
        vm.expectRevert(IRunEscrow.ProofInvalid.selector);
        escrow.claim(mine, WORKER, 30, Payouts.proof(sibling));
        vm.chainId(chainId);

        RunEscrow first = escrow;
        escrow = new RunEscrow();
        run = _create(SPEC, token, 10);
        assertTrue(run == mine, "the same run id in another contract");
        _fund(ALICE, 100);
        _settle(0, root, 50);
        vm.warp(block.timestamp + WINDOW);
        vm.expectRevert(IRunEscrow.ProofInvalid.selector);
        escrow.claim(run, WORKER, 30, Payouts.proof(sibling));
        first.claim(mine, WORKER, 30, Payouts.proof(sibling));
    }

    function test_aReentrantTokenGainsNothing() public {
        ReentrantToken hook = new ReentrantToken();
        run = _create("hook", hook, 10);
        hook.mint(ALICE, 100);
        vm.prank(ALICE);
        hook.approve(address(escrow), 100);
        hook.arm(address(escrow), abi.encodeCall(RunEscrow.fund, (run, 1)));
        vm.prank(ALICE);
        escrow.fund(run, 100);
        _assertReentryRefused(hook);

        bytes32 sibling = _leaf(OTHER, 20);
        _settle(0, Payouts.root(_leaf(WORKER, 30), sibling), 50);
        vm.warp(block.timestamp + WINDOW);
        hook.arm(
            address(escrow), abi.encodeCall(RunEscrow.claim, (run, WORKER, 30, Payouts.proof(sibling)))
        );
        escrow.claim(run, WORKER, 30, Payouts.proof(sibling));
        _assertReentryRefused(hook);
        escrow.finish(run, 0);
        hook.arm(address(escrow), abi.encodeCall(RunEscrow.refund, (run, ALICE)));
        escrow.refund(run, ALICE);
        _assertReentryRefused(hook);
        assertEq(hook.balanceOf(address(escrow)), 20, "what is left is the other worker's");
    }

    // ---- the end

    function test_everythingIsRefundableWithTheCoordinatorGone() public {
        _fund(ALICE, 10);
        _fund(BOB, 20);
        _settle(0, Payouts.root(_leaf(WORKER, 6), _leaf(OTHER, 1)), 7);
        _close(1); // Closed and never settled: the coordinator is gone.
        vm.warp(2_000_000);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.DeadlineNotReached.selector, 2_000_000));
        escrow.expire(run);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.RunNotEnded.selector, run));
        escrow.refund(run, ALICE);
        vm.warp(2_000_001);
        vm.prank(CAROL);
        escrow.expire(run);
        vm.prank(CAROL);
        escrow.refund(run, ALICE);
        escrow.refund(run, BOB);
        vm.expectRevert(IRunEscrow.NothingToRefund.selector);
        escrow.refund(run, BOB);
        escrow.claim(run, WORKER, 6, Payouts.proof(_leaf(OTHER, 1)));
        escrow.claim(run, OTHER, 1, Payouts.proof(_leaf(WORKER, 6)));
        assertEq(token.balanceOf(ALICE) + token.balanceOf(BOB), 23, "refunded to the wei");
        assertEq(token.balanceOf(address(escrow)), 0, "nothing stays behind");
    }

    function test_finishWaitsForClosedEpochsAndEndsEverything() public {
        _fund(ALICE, 100);
        _close(0);
        vm.expectRevert(abi.encodeWithSelector(IRunEscrow.EpochUnsettled.selector, 0));
        escrow.finish(run, 0);
        escrow.settleEpoch(run, 0, "root", 10, "checkpoint", 0);
        escrow.finish(run, 0);
        bytes memory ended = abi.encodeWithSelector(IRunEscrow.RunAlreadyEnded.selector, run);
        vm.expectRevert(ended);
        escrow.closeEpoch(run, 1, "history", 0);
        vm.expectRevert(ended);
        escrow.fund(run, 1);
        vm.expectRevert(ended);
        escrow.finish(run, 0);
        vm.warp(3_000_000);
        vm.expectRevert(ended);
        escrow.expire(run);
    }

    function test_theLastSettledEpochEndsTheRun() public {
        run = _create("short", token, 1);
        _fund(ALICE, 100);
        _settle(0, "root", 40);
        escrow.refund(run, ALICE);
        assertEq(token.balanceOf(ALICE), 60, "unspent at the end");
    }

    // ---- fuzz

    /// Whatever three funders give and an epoch takes: refunds are pro rata within one unit, and sum to what is unspent.
    function testFuzz_refundsAreProRataAndExact(uint128 a, uint128 b, uint128 c, uint128 spent) public {
        (a, b, c) = (uint128(bound(a, 1, 1e30)), uint128(bound(b, 1, 1e30)), uint128(bound(c, 1, 1e30)));
        uint256 total = uint256(a) + b + c;
        spent = uint128(bound(spent, 0, total));
        run = _createWith("fuzz", token, 1e31, 10);
        _fund(ALICE, a);
        _fund(BOB, b);
        _fund(CAROL, c);
        _settle(0, "root", spent);
        escrow.finish(run, 0);
        escrow.refund(run, ALICE);
        escrow.refund(run, BOB);
        escrow.refund(run, CAROL);
        assertEq(token.balanceOf(address(escrow)), spent, "what is left is reserved");
        _assertNear(token.balanceOf(ALICE), uint256(a) * (total - spent) / total);
        _assertNear(token.balanceOf(BOB), uint256(b) * (total - spent) / total);
        _assertNear(token.balanceOf(CAROL), uint256(c) * (total - spent) / total);
    }

    /// What a funder gives after spending is worth what it gave, within one unit, and takes nothing from the others.
    function testFuzz_aLaterFunderNeitherGainsNorLoses(uint128 first, uint128 spent, uint128 later) public {
        first = uint128(bound(first, 1, 1e30));
        later = uint128(bound(later, 1, 1e30));
        spent = uint128(bound(spent, 0, first));
        run = _createWith("fuzz", token, 1e31, 10);
        _fund(ALICE, first);
        _settle(0, "root", spent);
        _fund(BOB, later);
        (, uint128 value) = escrow.funding(run, BOB);
        _assertNear(value, later);
        (, value) = escrow.funding(run, ALICE);
        // Less than 2^-64 of a deposit counts as spent.
        if (uint256(first - spent) << 64 > first) _assertNear(value, first - spent);
    }

    // ---- inside

    function _createWithStandbys() private returns (bytes32) {
        standbys = [ALICE, BOB];
        return _create("led", token, 10);
    }

    function _expectStandbysInvalid() private {
        vm.expectRevert(IRunEscrow.StandbysInvalid.selector);
        escrow.createRun("invalid", token, REWARD, 10, WINDOW, 2_000_000, standbys);
    }

    function _assertNear(uint256 actual, uint256 expected) private pure {
        assertLe(actual > expected ? actual - expected : expected - actual, 2, "off by more than rounding");
    }

    function _assertReentryRefused(ReentrantToken hook) private view {
        assertTrue(hook.attempted() && !hook.succeeded(), "re-entered");
        assertTrue(
            hook.failure() == ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector, "refused otherwise"
        );
    }

    function _leaf(address account, uint128 cumulative) private view returns (bytes32) {
        return Payouts.leaf(block.chainid, address(escrow), run, account, cumulative);
    }

    function _create(bytes32 spec, IERC20 token_, uint32 epochs) private returns (bytes32) {
        return escrow.createRun(spec, token_, REWARD, epochs, WINDOW, 2_000_000, standbys);
    }

    function _createWith(bytes32 spec, IERC20 token_, uint128 reward, uint32 epochs) private returns (bytes32) {
        return escrow.createRun(spec, token_, reward, epochs, WINDOW, 2_000_000, standbys);
    }

    function _fund(address funder, uint128 amount) private {
        token.mint(funder, amount);
        vm.prank(funder);
        token.approve(address(escrow), amount);
        vm.prank(funder);
        escrow.fund(run, amount);
    }

    function _close(uint32 epoch) private {
        escrow.closeEpoch(run, epoch, "history", 0);
        vm.roll(block.number + 2);
    }

    function _settle(uint32 epoch, bytes32 root, uint128 cumulativeTotal) private {
        _close(epoch);
        escrow.settleEpoch(run, epoch, root, cumulativeTotal, "checkpoint", 0);
    }

    function _permit(uint256 key, uint256 value) private view returns (uint8, bytes32, bytes32) {
        address funder = vm.addr(key);
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 content = keccak256(
            abi.encode(typeHash, funder, address(escrow), value, token.nonces(funder), uint256(2_000_000))
        );
        return vm.sign(key, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), content)));
    }
}
