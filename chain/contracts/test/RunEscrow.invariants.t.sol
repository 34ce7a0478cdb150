// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRunEscrow} from "../IRunEscrow.sol";
import {RunEscrow} from "../RunEscrow.sol";
import {DevToken} from "../DevToken.sol";
import {EscrowHandler} from "./EscrowHandler.sol";
import {Test} from "./Test.sol";

/// What holds after any sequence of calls by anyone (forge calls the handler at random, see foundry.toml).
contract RunEscrowInvariants is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    EscrowHandler private handler;
    RunEscrow private escrow;
    DevToken private token;

    function setUp() public {
        handler = new EscrowHandler();
        (escrow, token) = (handler.escrow(), handler.token());
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](9);
        selectors[0] = EscrowHandler.fund.selector;
        selectors[1] = EscrowHandler.donate.selector;
        selectors[2] = EscrowHandler.settle.selector;
        selectors[3] = EscrowHandler.pass.selector;
        selectors[4] = EscrowHandler.claim.selector;
        selectors[5] = EscrowHandler.end.selector;
        selectors[6] = EscrowHandler.refund.selector;
        selectors[7] = EscrowHandler.takeLease.selector;
        selectors[8] = EscrowHandler.close.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// One function for all of them: each campaign is a fuzzing run of its own, and these share one.
    function invariant_theBooksBalance() public view {
        uint256 held;
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 run = handler.runs(i);
            (uint128 funded, uint128 reserved, uint128 claimed, uint128 unspent, uint128 refunded) =
                escrow.accounting(run);
            (,, uint128 finalizedTotal) = escrow.finalized(run);
            held += uint256(unspent) + reserved - claimed;

            assertEq(funded, handler.ghostFunded(run), "funded");
            assertEq(claimed, handler.ghostPaid(run), "claimed");
            assertEq(refunded, handler.ghostRefunded(run), "refunded");
            assertEq(uint256(unspent) + reserved + refunded, funded, "unspent + reserved + refunded");
            assertLe(claimed, finalizedTotal, "claimed of finalized");
            assertLe(finalizedTotal, reserved, "finalized of reserved");
            assertLe(
                reserved, uint256(escrow.runs(run).epochsSettled) * handler.REWARD(), "no epoch pays twice"
            );
            assertEq(
                uint256(escrow.claimedBy(run, handler.workers(0)))
                    + escrow.claimedBy(run, handler.workers(1)),
                claimed,
                "sum of the accounts' claims"
            );
            IRunEscrow.Run memory state = escrow.runs(run);
            assertEq(state.term, handler.ghostTerm(run), "term");
            assertTrue(state.leader == handler.ghostLeader(run), "leader");
            assertEq(state.epochsSettled, handler.ghostSettled(run), "each epoch settled once");
            uint256 owed;
            for (uint256 j = 0; j < 3; ++j) {
                (, uint128 value) = escrow.funding(run, handler.funders(j));
                owed += value;
            }
            assertLe(owed, unspent, "the funders' shares of what is unspent");
        }
        assertEq(token.balanceOf(address(escrow)), held + handler.ghostDonated(), "solvent to the wei");
        assertTrue(bytes(handler.violation()).length == 0, handler.violation());
    }

    /// forge calls this after each sequence: with all heads gone, all that is unspent goes back.
    function afterInvariant() public {
        handler.windUp();
        for (uint256 i = 0; i < 2; ++i) {
            (,,, uint128 unspent,) = escrow.accounting(handler.runs(i));
            assertEq(unspent, 0, "unspent after all refunds");
        }
        invariant_theBooksBalance();
    }
}
