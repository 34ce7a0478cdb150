// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title Tokens that accounts lock up to be admitted as workers where no token of the cluster is asked for.
/// @notice No owner, no upgrade, no fee. What an account staked is its own, can only go back to it, and needs an
/// unbonding period to leave. *There is no slashing yet*: a stake makes identities cost something, it cannot be lost.
/// When slashing comes it must reach what is unbonding too, which is what the period is for.
///
/// One word of storage an account: what counts, what is leaving, and when that is free.
contract WorkerStake is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    struct Stake {
        uint104 active;
        uint104 unbonding;
        uint48 withdrawableAt;
    }

    /// No period is longer, so that a deployment cannot lock anyone up for good.
    uint48 public constant MAX_UNBONDING_SECONDS = 365 days;

    /// A plain ERC-20: neither fee on transfer (refused when depositing) nor rebasing (not supported).
    IERC20 public immutable token;
    uint48 public immutable unbondingSeconds;
    mapping(address account => Stake) private _stakes;

    event Deposited(address indexed account, address indexed payer, uint256 amount, uint256 active);
    event UnbondingStarted(address indexed account, uint256 amount, uint256 unbonding, uint48 withdrawableAt);
    event Withdrawn(address indexed account, uint256 amount);

    error TermsInvalid();
    error AmountZero();
    error AccountZero();
    error TokenTookFee(uint256 expected, uint256 received);
    error StakeTooSmall(uint256 active);
    error StillUnbonding(uint48 withdrawableAt);
    error NothingToWithdraw();

    constructor(IERC20 token_, uint48 unbondingSeconds_) {
        if (address(token_).code.length == 0 || unbondingSeconds_ > MAX_UNBONDING_SECONDS) revert TermsInvalid();
        token = token_;
        unbondingSeconds = unbondingSeconds_;
    }

    // ---- in

    function deposit(uint256 amount) external {
        depositFor(msg.sender, amount);
    }

    /// @notice Adds the sender's tokens to the stake of `account`, whose they are from then on.
    function depositFor(address account, uint256 amount) public nonReentrant {
        if (account == address(0)) revert AccountZero();
        if (amount == 0) revert AmountZero();
        Stake storage stake = _stakes[account];
        stake.active = (amount + stake.active).toUint104();
        emit Deposited(account, msg.sender, amount, stake.active);

        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert TokenTookFee(amount, received);
    }

    // ---- out

    /// @notice Takes a part out of the sender's stake at once, to be withdrawn after the unbonding period. A request while
    /// an earlier one waits joins it, and both wait the whole period from now: one date an account, never a queue.
    function requestWithdraw(uint256 amount) external {
        if (amount == 0) revert AmountZero();
        Stake storage stake = _stakes[msg.sender];
        uint104 active = stake.active;
        if (amount > active) revert StakeTooSmall(active);
        uint104 unbonding = (amount + stake.unbonding).toUint104();
        uint48 withdrawableAt = uint48(block.timestamp) + unbondingSeconds;
        _stakes[msg.sender] = Stake(active - uint104(amount), unbonding, withdrawableAt);
        emit UnbondingStarted(msg.sender, amount, unbonding, withdrawableAt);
    }

    /// @notice Gives the sender all that has unbonded.
    function withdraw() external nonReentrant returns (uint256 amount) {
        Stake storage stake = _stakes[msg.sender];
        amount = stake.unbonding;
        if (amount == 0) revert NothingToWithdraw();
        if (block.timestamp < stake.withdrawableAt) revert StillUnbonding(stake.withdrawableAt);
        stake.unbonding = 0;
        emit Withdrawn(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    // ---- views

    /// @notice What an account has at stake: without what is unbonding.
    function stakeOf(address account) external view returns (uint256) {
        return _stakes[account].active;
    }

    /// @notice What is leaving an account's stake, and from when on it can be withdrawn (unix time in seconds).
    function unbondingOf(address account) external view returns (uint256 amount, uint48 withdrawableAt) {
        Stake storage stake = _stakes[account];
        return (stake.unbonding, stake.withdrawableAt);
    }
}
