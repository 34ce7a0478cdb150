// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRunEscrow} from "../IRunEscrow.sol";
import {RunEscrow} from "../RunEscrow.sol";
import {DevToken} from "../DevToken.sol";
import {Payouts} from "./Payouts.sol";
import {Test} from "./Test.sol";

/// What the fuzzer may do to an escrow with two runs: everything a funder, a worker, a passer-by and a coordinator can,
/// the coordinator maliciously. It keeps its own books (ghosts), which the invariants compare with the contract's.
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
    address[2] public workers = [address(0x3031), address(0x3032)];

    uint32 public constant EPOCHS = 12;
    uint32 public constant WINDOW = 100;
    uint128 public constant REWARD = 1e20;
    uint64 public constant DEADLINE = 1_020_000;

    mapping(bytes32 run => mapping(uint32 epoch => Promise)) private _promises;
    mapping(bytes32 run => uint256) public ghostFunded;
    mapping(bytes32 run => uint256) public ghostPaid;
    mapping(bytes32 run => uint256) public ghostRefunded;
    uint256 public ghostDonated;
    /// Named by what went wrong; empty while nothing did.
    string public violation;
    uint256 public claims;
    uint256 public refunds;

    constructor() {
        vm.warp(1_000_000);
        vm.roll(100);
        for (uint256 i = 0; i < runs.length; ++i) {
            runs[i] = escrow.createRun(bytes32(i), token, REWARD, EPOCHS, WINDOW, DEADLINE);
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

    /// Reserves a part of what may be, under a root that promises anything.
    function settle(uint256 runSeed, uint256 share, uint128 first, uint128 second) external {
        bytes32 run = runs[runSeed % 2];
        IRunEscrow.Run memory state = escrow.runs(run);
        if (state.ended) return;
        uint32 epoch = state.epochsSettled;
        (, uint128 reserved,, uint128 unspent,) = _books(run);
        uint128 most = unspent < REWARD ? unspent : REWARD;
        // Often all of it, so that funding meets an empty run.
        uint128 total = reserved + (share % 4 == 0 ? most : uint128(bound(share, 0, most)));
        first = uint128(bound(first, 1, uint256(total) * 2 + 1));
        second = uint128(bound(second, 1, uint256(total) * 2 + 1));
        bytes32 root = Payouts.root(_leaf(run, workers[0], first), _leaf(run, workers[1], second));
        if (state.epochsClosed == epoch) escrow.closeEpoch(run, epoch, root);
        vm.roll(block.number + 2);
        try escrow.settleEpoch(run, epoch, root, total, "checkpoint") {
            _promises[run][epoch] = Promise(first, second, root, block.timestamp + WINDOW);
        } catch (bytes memory reason) {
            // The only honest refusal left: too many dispute windows at once.
            if (bytes4(reason) != IRunEscrow.TooManyPending.selector) violation = "a possible settlement was refused";
        }
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
        if (block.timestamp > DEADLINE) escrow.expire(run);
        else escrow.finish(run);
    }

    function refund(uint256 runSeed, uint256 funderSeed) external {
        bytes32 run = runs[runSeed % 2];
        if (!escrow.runs(run).ended) return;
        _refund(run, funders[funderSeed % 3]);
    }

    /// Ends both runs with the coordinator gone, and gives every funder what is theirs.
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

    function _books(bytes32 run) private view returns (uint128, uint128, uint128, uint128, uint128) {
        return escrow.accounting(run);
    }
}
