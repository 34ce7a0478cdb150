// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title What `RunEscrow` keeps, announces and refuses. Amounts are token base units.
interface IRunEscrow {
    enum EndReason {
        Completed,
        Finished,
        Expired
    }

    /// Ordered so that closing an epoch reads the first two words and settling one the first five.
    struct Run {
        /// Who holds the lease: at first the coordinator, see `takeLease`.
        address leader;
        uint32 epochsClosed;
        uint32 epochsSettled;
        /// How many settled epochs the contract has *seen* finalized; `finalized` also counts windows elapsed since.
        uint32 epochsFinalized;
        IERC20 token;
        uint32 epochs;
        /// The leadership's number: 0 until the first `takeLease`, and it only grows.
        uint32 term;
        bool ended;
        uint128 epochReward;
        uint128 funded;
        /// All that was ever reserved by settled epochs, what was claimed since included.
        uint128 reserved;
        uint128 claimed;
        uint128 refunded;
        uint64 deadline;
        uint32 disputeWindowSeconds;
        /// Counts share generations, see `fund`.
        uint32 generation;
        uint256 totalShares;
        /// Who opened the run. Never changes, whoever leads.
        address coordinator;
    }

    struct Closure {
        bytes32 historyRoot;
        uint64 blockNumber;
    }

    struct Settlement {
        bytes32 payoutRoot;
        uint128 cumulativeTotal;
        uint64 finalizesAt;
    }

    event RunCreated(
        bytes32 indexed runId,
        address indexed coordinator,
        bytes32 indexed specDigest,
        IERC20 token,
        uint128 epochReward,
        uint32 epochs,
        uint32 disputeWindowSeconds,
        uint64 deadline
    );
    event StandbysNamed(bytes32 indexed runId, address[] standbys);
    event LeaseTaken(bytes32 indexed runId, address indexed leader, uint32 term);
    event Funded(bytes32 indexed runId, address indexed funder, uint128 amount, uint256 shares, uint32 generation);
    event EpochClosed(bytes32 indexed runId, uint32 indexed epoch, bytes32 historyRoot);
    event EpochSettled(
        bytes32 indexed runId,
        uint32 indexed epoch,
        bytes32 payoutRoot,
        uint128 cumulativeTotal,
        bytes32 checkpoint,
        uint64 finalizesAt
    );
    event Claimed(bytes32 indexed runId, address indexed account, uint128 amount, uint128 cumulative);
    event RunEnded(bytes32 indexed runId, EndReason reason, uint128 unspent);
    event Refunded(bytes32 indexed runId, address indexed funder, uint128 amount);

    error RunExists(bytes32 runId);
    error RunUnknown(bytes32 runId);
    error RunAlreadyEnded(bytes32 runId);
    error RunNotEnded(bytes32 runId);
    error TermsInvalid();
    error StandbysInvalid();
    error NeitherCoordinatorNorStandby();
    error OnlyLeader(address leader);
    error TermStale(uint32 current);
    error TermTooFar(uint32 most);
    error AmountZero();
    error TokenTookFee(uint256 expected, uint256 received);
    error EpochOutOfOrder(uint32 expected);
    error EpochNotClosed(uint32 epoch);
    error EpochUnsettled(uint32 epoch);
    error BeaconNotReady(uint256 readyAtBlock);
    error TooManyPending(uint64 nextFinalizesAt);
    error TotalDecreased(uint128 previous);
    error RewardExceeded(uint128 asked, uint128 epochReward);
    error Underfunded(uint128 asked, uint128 unspent);
    error ProofInvalid();
    error NothingToClaim(uint128 alreadyClaimed);
    error ClaimsExceedFinalized(uint128 finalizedTotal);
    error DeadlineNotReached(uint64 deadline);
    error NothingToRefund();
}
