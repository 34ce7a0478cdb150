// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRunEscrow} from "../IRunEscrow.sol";
import {RunEscrow} from "../RunEscrow.sol";
import {DevToken} from "../DevToken.sol";
import {Payouts} from "./Payouts.sol";
import {Test} from "./Test.sol";

/// What the fuzzer may do to an escrow with two runs: everything a funder, a worker, a passer-by and three heads can (the
/// coordinator and two standbys), the heads maliciously and with terms that may be old. It keeps its own books (ghosts), which the invariants compare with the contract's.
contract EscrowHandler is Test {
    struct Promise {
        uint128 first;
        uint128 second;
        bytes32 root;
        uint256 finalizesAt;
    }

    RunEscrow public immutable escrow = new RunEscrow();
    DevToken public immutable token = new DevToken();
    bytes32[2] public runs;
    address[3] public funders = [address(0xF001), address(0xF002), address(0xF003)];
    address[2] public standbys = [address(0x5B01), address(0x5B02)];
    address[2] public workers = [address(0x3031), address(0x3032)];

    uint32 public constant EPOCHS = 12;
    uint32 public constant WINDOW = 100;
    uint128 public constant REWARD = 1e20;
    uint64 public constant DEADLINE = 1_020_000;

    mapping(bytes32 run => mapping(uint32 epoch => Promise)) private _promises;
    mapping(bytes32 run => mapping(uint32 epoch => uint256 times)) private _timesSettled;
    /// The lease as the handler has seen it: who took which term last.
    mapping(bytes32 run => uint32) public ghostTerm;
    mapping(bytes32 run => address) public ghostLeader;
    mapping(bytes32 run => uint32) public ghostSettled;
    mapping(bytes32 run => uint256) public ghostFunded;
    mapping(bytes32 run => uint256) public ghostPaid;
    mapping(bytes32 run => uint256) public ghostRefunded;
    uint256 public ghostDonated;
    /// Named by what went wrong; empty while nothing did.
    string public violation;
    uint256 public claims;
    uint256 public refunds;
    uint256 public fencedOff;
    uint256 public settledByStandbys;

    constructor() {
        vm.warp(1_000_000);
        vm.roll(100);
        address[] memory named = new address[](2);
        (named[0], named[1]) = (standbys[0], standbys[1]);
        for (uint256 i = 0; i < runs.length; ++i) {
            runs[i] = escrow.createRun(bytes32(i), token, REWARD, EPOCHS, WINDOW, DEADLINE, named);
            ghostLeader[runs[i]] = address(this);
        }
    }

    function fund(uint256 runSeed, uint256 funderSeed, uint256 amountSeed) external {
        bytes32 run = runs[runSeed % 2];
        if (escrow.runs(run).ended) return;
        address funder = funders[funderSeed % 3];
        uint128 amount = uint128(bound(amountSeed, 1, amountSeed % 5 == 0 ? 10 : 2e20));
        token.mint(funder, amount);
        vm.prank(funder);
        token.approve(address(escrow), amount);
        vm.prank(funder);
        escrow.fund(run, amount);
        ghostFunded[run] += amount;
    }

    /// Tokens sent past `fund`: nobody's, and they must not count.
    function donate(uint256 amountSeed) external {
        uint256 amount = bound(amountSeed, 1, 1e20);
        token.mint(address(escrow), amount);
        ghostDonated += amount;
    }

    /// Anyone, for any term near the current one.
    function takeLease(uint256 runSeed, uint256 senderSeed, uint256 termSeed) external {
        bytes32 run = runs[runSeed % 2];
        if (escrow.runs(run).ended) return;
        address sender = _sender(senderSeed);
        uint32 term = uint32(bound(termSeed, 0, uint256(ghostTerm[run]) + 4));
        vm.prank(sender);
        try escrow.takeLease(run, term) {
            if (term <= ghostTerm[run]) violation = "a term came down or came twice";
            if (sender == address(0xDEAD)) violation = "a stranger took the lease";
            (ghostTerm[run], ghostLeader[run]) = (term, sender);
        } catch {
            if (term > ghostTerm[run] && sender != address(0xDEAD)) violation = "a possible lease was refused";
        }
    }

    /// Closes the next epoch, from any sender in any term.
    function close(uint256 runSeed, uint256 senderSeed, uint256 termSeed) external {
        bytes32 run = runs[runSeed % 2];
        IRunEscrow.Run memory state = escrow.runs(run);
        if (state.ended || state.epochsClosed == EPOCHS) return;
        (address sender, uint32 term, bool leads) = _head(run, senderSeed, termSeed);
        vm.prank(sender);
        try escrow.closeEpoch(run, state.epochsClosed, keccak256(abi.encode(sender, term)), term) {
            if (!leads) violation = "an epoch was closed outside its term";
        } catch (bytes memory reason) {
            _expectFenced(leads, reason);
        }
    }

    /// Reserves a part of what may be, under a root that promises anything; from any sender in any term, for an epoch that
    /// is open or, as an old leader would, for one that is settled already.
    function settle(
        uint256 runSeed,
        uint256 senderSeed,
        uint256 termSeed,
        uint256 share,
        uint128 first,
        uint128 second
    ) external {
        bytes32 run = runs[runSeed % 2];
        IRunEscrow.Run memory state = escrow.runs(run);
        if (state.ended || state.epochsClosed == 0) return;
        uint32 epoch = state.epochsSettled;
        if (epoch == state.epochsClosed || (epoch > 0 && share % 8 == 1)) --epoch;
        uint128 total = _total(run, share);
        vm.roll(block.number + 2);
        _settle(run, epoch, _promise(run, total, first, second), total, senderSeed, termSeed);
    }

    /// Often all that may be reserved, so that funding meets an empty run.
    function _total(bytes32 run, uint256 share) private view returns (uint128) {
        (, uint128 reserved,, uint128 unspent,) = escrow.accounting(run);
        uint128 most = unspent < REWARD ? unspent : REWARD;
        return reserved + (share % 4 == 0 ? most : uint128(bound(share, 0, most)));
    }

    function _promise(bytes32 run, uint128 total, uint128 first, uint128 second)
        private
        view
        returns (Promise memory)
    {
        first = uint128(bound(first, 1, uint256(total) * 2 + 1));
        second = uint128(bound(second, 1, uint256(total) * 2 + 1));
        bytes32 root = Payouts.root(_leaf(run, workers[0], first), _leaf(run, workers[1], second));
        return Promise(first, second, root, block.timestamp + WINDOW);
    }

    function _settle(
        bytes32 run,
        uint32 epoch,
        Promise memory promised,
        uint128 total,
        uint256 senderSeed,
        uint256 termSeed
    ) private {
        (address sender, uint32 term, bool leads) = _head(run, senderSeed, termSeed);
        bool again = epoch < ghostSettled[run];
        vm.prank(sender);
        try escrow.settleEpoch(run, epoch, promised.root, total, "checkpoint", term) {
            if (!leads) violation = "an epoch was settled outside its term";
            if (++_timesSettled[run][epoch] > 1) violation = "an epoch was settled twice";
            ghostSettled[run] = epoch + 1;
            _promises[run][epoch] = promised;
            if (sender != address(this)) ++settledByStandbys;
        } catch (bytes memory reason) {
            bytes4 name = bytes4(reason);
            // The only honest refusals of a leader: the epoch is settled, or too many dispute windows at once.
            if (leads && name == IRunEscrow.TooManyPending.selector) return;
            if (leads && again && name == IRunEscrow.EpochOutOfOrder.selector) return;
            _expectFenced(leads, reason);
        }
    }

    /// A head that settles, half of the time the one that leads; with its own, an older or a later term.
    function _head(bytes32 run, uint256 senderSeed, uint256 termSeed)
        private
        view
        returns (address sender, uint32 term, bool leads)
    {
        sender = senderSeed % 2 == 0 ? ghostLeader[run] : _sender(senderSeed / 2);
        term = termSeed % 4 < 3 ? ghostTerm[run] : uint32(bound(termSeed, 0, uint256(ghostTerm[run]) + 2));
        leads = sender == ghostLeader[run] && term == ghostTerm[run];
    }

    function _expectFenced(bool leads, bytes memory reason) private {
        ++fencedOff;
        bytes4 name = bytes4(reason);
        if (leads) violation = "the leader was refused";
        else if (name != IRunEscrow.TermStale.selector && name != IRunEscrow.OnlyLeader.selector) {
            violation = "refused for another reason than its term";
        }
    }

    /// The coordinator, a standby, or a stranger.
    function _sender(uint256 seed) private view returns (address) {
        uint256 index = seed % 4;
        return index == 0 ? address(this) : index == 3 ? address(0xDEAD) : standbys[index - 1];
    }

    function pass(uint256 secondsSeed) external {
        vm.warp(block.timestamp + bound(secondsSeed, 1, WINDOW));
    }

    /// Claims by any epoch's root: the newest, an old one, or one that is still in its window.
    function claim(uint256 runSeed, uint256 epochSeed, bool useFirst) external {
        bytes32 run = runs[runSeed % 2];
        uint32 settled = escrow.runs(run).epochsSettled;
        if (settled == 0) return;
        uint32 epoch = uint32(settled - 1 - epochSeed % (settled < 4 ? settled : 4));
        Promise memory promised = _promises[run][epoch];
        (address account, uint128 cumulative) =
            useFirst ? (workers[0], promised.first) : (workers[1], promised.second);
        bytes32 sibling =
            useFirst ? _leaf(run, workers[1], promised.second) : _leaf(run, workers[0], promised.first);
        uint256 before = token.balanceOf(account);
        try escrow.claim(run, account, cumulative, Payouts.proof(sibling)) returns (uint128 amount) {
            ++claims;
            ghostPaid[run] += amount;
            if (block.timestamp < promised.finalizesAt) violation = "claimed inside the window";
            if (token.balanceOf(account) != before + amount) violation = "paid something else than it said";
        } catch {}
    }

    function end(uint256 runSeed, uint256 seed) external {
        bytes32 run = runs[runSeed % 2];
        if (escrow.runs(run).ended || seed % 16 != 0) return;
        if (block.timestamp > DEADLINE) return escrow.expire(run);
        vm.prank(ghostLeader[run]);
        try escrow.finish(run, ghostTerm[run]) {}
        catch (bytes memory reason) {
            if (bytes4(reason) != IRunEscrow.EpochUnsettled.selector) violation = "the leader could not finish";
        }
    }

    function refund(uint256 runSeed, uint256 funderSeed) external {
        bytes32 run = runs[runSeed % 2];
        if (!escrow.runs(run).ended) return;
        _refund(run, funders[funderSeed % 3]);
    }

    /// Ends both runs with all heads gone, and gives every funder what is theirs.
    function windUp() external {
        vm.warp(DEADLINE + 1 > block.timestamp ? DEADLINE + 1 : block.timestamp);
        for (uint256 i = 0; i < runs.length; ++i) {
            vm.prank(address(0xDEAD));
            if (!escrow.runs(runs[i]).ended) escrow.expire(runs[i]);
            for (uint256 j = 0; j < funders.length; ++j) _refund(runs[i], funders[j]);
        }
    }

    function _refund(bytes32 run, address funder) private {
        (uint256 shares, uint128 value) = escrow.funding(run, funder);
        if (shares == 0) return;
        uint128 amount = escrow.refund(run, funder);
        ++refunds;
        ghostRefunded[run] += amount;
        if (amount != value) violation = "refunded something else than the shares' value";
    }

    function _leaf(bytes32 run, address account, uint128 cumulative) private view returns (bytes32) {
        return Payouts.leaf(block.chainid, address(escrow), run, account, cumulative);
    }
}
