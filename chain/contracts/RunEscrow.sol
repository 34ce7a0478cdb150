// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IRunEscrow} from "./IRunEscrow.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title Escrow of many training runs: many funders in, verified work out, the rest back to the funders.
/// @notice No owner, no upgrade, no fee. Whoever leads a run can only reserve up to `epochReward` per epoch for the
/// accounts of a payout root; it can never take money for itself except through such a root, and never touch what was
/// not earned. That is the coordinator who opened the run or, after it took the lease, one of the standbys named then. A settled root waits `disputeWindowSeconds` before it pays. The window delays claims and gives anyone
/// time to re-execute the epoch; *adjudication of a dispute on chain is not part of this contract yet*.
///
/// A run's heads fail over by `takeLease`: each leadership is a *term*, numbered upwards, and every call that moves the
/// run names the term that it was made in. Of two heads that both believe they lead, at most one acts here.
///
/// An epoch's life: closeEpoch (its history is anchored) -> the hash of the next block is the audit beacon, which
/// nobody could know at the close -> settleEpoch (one payout root, whatever the number of workers) -> window -> claim.
///
/// Money of a run, in token base units, with no use of `balanceOf` as state:
///   unspent = funded - reserved - refunded,  held = unspent + reserved - claimed.
contract RunEscrow is IRunEscrow, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// Slots of settlements kept per run: the newest finalized one and up to `MAX_PENDING` that wait.
    uint256 private constant RING = 8;
    /// Epochs whose dispute windows may overlap.
    uint256 public constant MAX_PENDING = RING - 1;
    /// When less than 2^-64 of the value behind the shares is left, it counts as spent, see `fund`.
    uint256 private constant SHARE_RATIO_LIMIT = 1 << 64;

    /// Accounts beside the coordinator that may take a run's lease.
    uint256 public constant MAX_STANDBYS = 7;
    /// How far one `takeLease` may raise the term, so that no single call, corrupt or hostile, uses all terms up.
    uint32 public constant MAX_TERM_STEP = 1 << 16;

    mapping(bytes32 runId => Run) private _runs;
    mapping(bytes32 runId => mapping(address account => bool)) private _standby;
    mapping(bytes32 runId => mapping(uint32 epoch => Closure)) private _closures;
    mapping(bytes32 runId => mapping(uint256 slot => Settlement)) private _settlements;
    mapping(bytes32 runId => mapping(uint32 generation => mapping(address funder => uint256))) private _shares;
    mapping(bytes32 runId => mapping(address account => uint128)) public claimedBy;

    // ---- terms and funding

    /// @notice The id of a coordinator's run of a spec. It contains the coordinator, so that whoever sees a spec first
    /// cannot occupy the run of another: the same spec sent by someone else is simply another run.
    function runIdOf(address coordinator, bytes32 specDigest) public pure returns (bytes32) {
        return keccak256(abi.encode(coordinator, specDigest));
    }

    /// @notice Opens a run; the sender becomes its coordinator and leads it in term 0. What is agreed here never changes.
    /// @param specDigest sha2-256 digest of the run spec's CID.
    /// @param token a plain ERC-20: neither fee on transfer (refused when funding) nor rebasing (not supported).
    /// @param epochReward most that one epoch may reserve.
    /// @param deadline absolute unix time in seconds after which anyone may end the run. Progress does not move it, so
    /// that funders know the latest moment at which what is unspent becomes theirs again.
    /// @param standbys accounts that may lead instead of the coordinator, see `takeLease`: other ones, each once. A
    /// standby that opens a run of the same spec opens another run, with another id and no money.
    function createRun(
        bytes32 specDigest,
        IERC20 token,
        uint128 epochReward,
        uint32 epochs,
        uint32 disputeWindowSeconds,
        uint64 deadline,
        address[] calldata standbys
    ) external returns (bytes32 runId) {
        runId = runIdOf(msg.sender, specDigest);
        Run storage run = _runs[runId];
        if (address(run.token) != address(0)) revert RunExists(runId);
        if (address(token).code.length == 0 || epochReward == 0 || epochs == 0 || deadline <= block.timestamp) {
            revert TermsInvalid();
        }
        run.coordinator = msg.sender;
        run.leader = msg.sender;
        run.token = token;
        run.epochReward = epochReward;
        run.epochs = epochs;
        run.disputeWindowSeconds = disputeWindowSeconds;
        run.deadline = deadline;
        emit RunCreated(
            runId, msg.sender, specDigest, token, epochReward, epochs, disputeWindowSeconds, deadline
        );
        if (standbys.length > 0) _nameStandbys(runId, standbys);
    }

    function _nameStandbys(bytes32 runId, address[] calldata standbys) private {
        if (standbys.length > MAX_STANDBYS) revert StandbysInvalid();
        mapping(address account => bool) storage named = _standby[runId];
        for (uint256 i = 0; i < standbys.length; ++i) {
            address standby = standbys[i];
            if (standby == address(0) || standby == msg.sender || named[standby]) revert StandbysInvalid();
            named[standby] = true;
        }
        emit StandbysNamed(runId, standbys);
    }

    /// @notice Adds money to a run that has not ended. Anyone may, any number of times.
    /// @dev Shares are minted against what is unspent *now*, so that a later funder pays only for later epochs. Spending
    /// lowers the value of a share and nothing raises it (tokens sent here directly are not counted), so a share is
    /// never worth more than one base unit and minting rounds by less than one. Where everything was spent (or all but
    /// 2^-64 of it, which would let the number of shares grow without bound), the old shares are worth nothing: a new
    /// generation of shares begins, and the old ones stay behind.
    function fund(bytes32 runId, uint128 amount) external nonReentrant {
        _fund(runId, amount);
    }

    /// @notice `fund` with an EIP-2612 signature instead of an earlier approval.
    /// @dev A permit that fails is not fatal: anyone may have submitted the same signature first.
    function fundWithPermit(bytes32 runId, uint128 amount, uint256 permitDeadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        address token = address(_known(runId).token);
        try IERC20Permit(token).permit(msg.sender, address(this), amount, permitDeadline, v, r, s) {} catch {}
        _fund(runId, amount);
    }

    function _fund(bytes32 runId, uint128 amount) private {
        Run storage run = _open(runId);
        if (amount == 0) revert AmountZero();
        uint256 unspent = _unspent(run);
        // Also true at the very first funding, where both are 0.
        if (unspent * SHARE_RATIO_LIMIT <= run.totalShares) {
            run.generation += 1;
            run.totalShares = 0;
        }
        uint256 shares = run.totalShares == 0 ? amount : Math.mulDiv(amount, run.totalShares, unspent);
        run.totalShares += shares;
        _shares[runId][run.generation][msg.sender] += shares;
        run.funded = (uint256(run.funded) + amount).toUint128();
        emit Funded(runId, msg.sender, amount, shares, run.generation);

        IERC20 token = run.token;
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert TokenTookFee(amount, received);
    }

    // ---- the lease

    /// @notice Makes the sender the run's leader in a new, higher term. From then on no call of an earlier term moves the
    /// run, whoever sends it: a head that was paused, cut off or restarted is fenced off by its own old number.
    /// @dev Nothing is proven and nobody is asked: coordinator and standbys trust each other to lead, as funders trust all
    /// of them with up to `epochReward` per epoch. A leader that took the lease for no reason gains no more than that.
    /// Which head may use which terms is agreed between them (head i of 8 uses the terms with term % 8 == i), so that
    /// two heads never lead in one term, not even with one account.
    function takeLease(bytes32 runId, uint32 term) external {
        Run storage run = _open(runId);
        if (msg.sender != run.coordinator && !_standby[runId][msg.sender]) revert NeitherCoordinatorNorStandby();
        uint32 current = run.term;
        if (term <= current) revert TermStale(current);
        if (term - current > MAX_TERM_STEP) revert TermTooFar(current + MAX_TERM_STEP);
        run.term = term;
        run.leader = msg.sender;
        emit LeaseTaken(runId, msg.sender, term);
    }

    // ---- epochs

    /// @notice Anchors an epoch's history before anyone can know its audit beacon: the hash of the block after this one.
    /// @param historyRoot hash of the manifest of the epoch's last round (manifests are hash-chained).
    /// @param term the sender's leadership, see `takeLease`.
    function closeEpoch(bytes32 runId, uint32 epoch, bytes32 historyRoot, uint32 term) external {
        Run storage run = _open(runId);
        _onlyLeader(run, term);
        if (epoch != run.epochsClosed || epoch >= run.epochs) revert EpochOutOfOrder(run.epochsClosed);
        run.epochsClosed = epoch + 1;
        _closures[runId][epoch] = Closure(historyRoot, uint64(block.number));
        emit EpochClosed(runId, epoch, historyRoot);
    }

    /// @notice Reserves an epoch's pay under one payout root and opens its dispute window. After the last epoch of the
    /// run, what is unspent becomes refundable.
    /// @param payoutRoot root of (account, cumulative pay of all epochs up to this one), see `claim`.
    /// @param cumulativeTotal sum of the root's cumulative pays: not below the previous epoch's.
    /// @param checkpoint sha2-256 digest of the checkpoint's CID.
    /// @param term the sender's leadership, see `takeLease`. An epoch that an earlier leader closed keeps its beacon.
    function settleEpoch(
        bytes32 runId,
        uint32 epoch,
        bytes32 payoutRoot,
        uint128 cumulativeTotal,
        bytes32 checkpoint,
        uint32 term
    ) external {
        Run storage run = _open(runId);
        _onlyLeader(run, term);
        if (epoch != run.epochsSettled) revert EpochOutOfOrder(run.epochsSettled);
        if (epoch >= run.epochsClosed) revert EpochNotClosed(epoch);
        // The beacon is the hash of block closedAt + 1, known from block closedAt + 2 on.
        uint256 readyAtBlock = uint256(_closures[runId][epoch].blockNumber) + 2;
        if (block.number < readyAtBlock) revert BeaconNotReady(readyAtBlock);

        uint128 previous = run.reserved;
        if (cumulativeTotal < previous) revert TotalDecreased(previous);
        uint128 asked = cumulativeTotal - previous;
        if (asked > run.epochReward) revert RewardExceeded(asked, run.epochReward);
        uint128 unspent = _unspent(run);
        if (asked > unspent) revert Underfunded(asked, unspent);

        uint32 finalizedCount = _finalizedCount(runId, run);
        if (epoch - finalizedCount >= MAX_PENDING) {
            revert TooManyPending(_settlements[runId][finalizedCount % RING].finalizesAt);
        }
        uint64 finalizesAt = uint64(block.timestamp) + run.disputeWindowSeconds;
        _settlements[runId][epoch % RING] = Settlement(payoutRoot, cumulativeTotal, finalizesAt);
        run.epochsFinalized = finalizedCount;
        run.epochsSettled = epoch + 1;
        run.reserved = cumulativeTotal;
        emit EpochSettled(runId, epoch, payoutRoot, cumulativeTotal, checkpoint, finalizesAt);
        if (epoch + 1 == run.epochs) _end(runId, run, EndReason.Completed);
    }

    /// @notice Pays an account what it has earned in all finalized epochs and not yet claimed. Anyone may call it; the
    /// money goes to the account. There is no last day to claim.
    /// @dev The leaf is OpenZeppelin's StandardMerkleTree leaf of (chain id, this contract, run, account, cumulative), so
    /// that no proof is of use elsewhere. A root that promises more than was reserved pays first come, first served
    /// up to the finalized total of its own run, and never from another run's money.
    function claim(bytes32 runId, address account, uint128 cumulative, bytes32[] calldata proof)
        external
        nonReentrant
        returns (uint128 amount)
    {
        Run storage run = _known(runId);
        (, bytes32 payoutRoot, uint128 finalizedTotal) = _finalized(runId, run);
        bytes32 leaf = keccak256(
            bytes.concat(keccak256(abi.encode(block.chainid, address(this), runId, account, cumulative)))
        );
        if (!MerkleProof.verifyCalldata(proof, payoutRoot, leaf)) revert ProofInvalid();
        uint128 already = claimedBy[runId][account];
        if (cumulative <= already) revert NothingToClaim(already);
        amount = cumulative - already;
        if (uint256(run.claimed) + amount > finalizedTotal) revert ClaimsExceedFinalized(finalizedTotal);
        claimedBy[runId][account] = cumulative;
        run.claimed += amount;
        emit Claimed(runId, account, amount, cumulative);
        run.token.safeTransfer(account, amount);
    }

    // ---- end and refund

    /// @notice The leader ends the run: no more epochs and no more funding. Every closed epoch must be settled.
    function finish(bytes32 runId, uint32 term) external {
        Run storage run = _open(runId);
        _onlyLeader(run, term);
        if (run.epochsClosed != run.epochsSettled) revert EpochUnsettled(run.epochsSettled);
        _end(runId, run, EndReason.Finished);
    }

    /// @notice Anyone ends a run whose deadline has passed, whatever became of its heads. What settled epochs have
    /// reserved stays reserved for their workers.
    function expire(bytes32 runId) external {
        Run storage run = _open(runId);
        if (block.timestamp <= run.deadline) revert DeadlineNotReached(run.deadline);
        _end(runId, run, EndReason.Expired);
    }

    /// @notice Gives a funder of an ended run the part of what is unspent that its shares stand for. Anyone may call it;
    /// the money goes to the funder. Rounds down; the last one gets the remainder, so that nothing stays behind.
    function refund(bytes32 runId, address funder) external nonReentrant returns (uint128 amount) {
        Run storage run = _known(runId);
        if (!run.ended) revert RunNotEnded(runId);
        uint256 shares = _shares[runId][run.generation][funder];
        if (shares == 0) revert NothingToRefund();
        amount = uint128(Math.mulDiv(shares, _unspent(run), run.totalShares));
        delete _shares[runId][run.generation][funder];
        run.totalShares -= shares;
        run.refunded += amount;
        emit Refunded(runId, funder, amount);
        if (amount > 0) run.token.safeTransfer(funder, amount);
    }

    // ---- views

    function runs(bytes32 runId) external view returns (Run memory) {
        return _known(runId);
    }

    /// @notice A funder's shares of the current generation, and what they are worth of the unspent money now.
    function funding(bytes32 runId, address funder) external view returns (uint256 shares, uint128 value) {
        Run storage run = _known(runId);
        shares = _shares[runId][run.generation][funder];
        if (shares != 0) value = uint128(Math.mulDiv(shares, _unspent(run), run.totalShares));
    }

    function accounting(bytes32 runId)
        external
        view
        returns (uint128 funded, uint128 reserved, uint128 claimed, uint128 unspent, uint128 refunded)
    {
        Run storage run = _known(runId);
        return (run.funded, run.reserved, run.claimed, _unspent(run), run.refunded);
    }

    /// @notice Whether an account may take the run's lease.
    function mayLead(bytes32 runId, address account) external view returns (bool) {
        return account == _known(runId).coordinator || _standby[runId][account];
    }

    /// @notice What was anchored when an epoch closed; block number 0 where it has not.
    function closure(bytes32 runId, uint32 epoch) external view returns (bytes32 historyRoot, uint64 blockNumber) {
        Closure storage found = _closures[runId][epoch];
        return (found.historyRoot, found.blockNumber);
    }

    /// @notice How many epochs are final, and the newest one's root and total: what `claim` goes by.
    function finalized(bytes32 runId)
        external
        view
        returns (uint32 epochCount, bytes32 payoutRoot, uint128 cumulativeTotal)
    {
        return _finalized(runId, _known(runId));
    }

    // ---- inside

    function _known(bytes32 runId) private view returns (Run storage run) {
        run = _runs[runId];
        if (address(run.token) == address(0)) revert RunUnknown(runId);
    }

    function _open(bytes32 runId) private view returns (Run storage run) {
        run = _known(runId);
        if (run.ended) revert RunAlreadyEnded(runId);
    }

    /// One account may lead in several terms, so both are checked; the term first, because it is what fences.
    function _onlyLeader(Run storage run, uint32 term) private view {
        if (term != run.term) revert TermStale(run.term);
        if (msg.sender != run.leader) revert OnlyLeader(run.leader);
    }

    function _end(bytes32 runId, Run storage run, EndReason reason) private {
        run.ended = true;
        emit RunEnded(runId, reason, _unspent(run));
    }

    function _unspent(Run storage run) private view returns (uint128) {
        return run.funded - run.reserved - run.refunded;
    }

    /// Windows are equally long, so settlements finalize in their order and the finalized ones are a prefix.
    function _finalizedCount(bytes32 runId, Run storage run) private view returns (uint32 count) {
        count = run.epochsFinalized;
        uint32 settled = run.epochsSettled;
        while (count < settled && _settlements[runId][count % RING].finalizesAt <= block.timestamp) ++count;
    }

    function _finalized(bytes32 runId, Run storage run)
        private
        view
        returns (uint32 count, bytes32 payoutRoot, uint128 cumulativeTotal)
    {
        count = _finalizedCount(runId, run);
        if (count == 0) return (0, 0, 0);
        Settlement storage newest = _settlements[runId][(count - 1) % RING];
        return (count, newest.payoutRoot, newest.cumulativeTotal);
    }
}
