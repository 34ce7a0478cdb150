// Written by chain/compile.ts from contracts/RunEscrow.sol: do not edit.
export const runEscrowAbi = [
  {
    "inputs": [],
    "name": "AmountZero",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "readyAtBlock",
        "type": "uint256"
      }
    ],
    "name": "BeaconNotReady",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint128",
        "name": "finalizedTotal",
        "type": "uint128"
      }
    ],
    "name": "ClaimsExceedFinalized",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint64",
        "name": "deadline",
        "type": "uint64"
      }
    ],
    "name": "DeadlineNotReached",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint32",
        "name": "epoch",
        "type": "uint32"
      }
    ],
    "name": "EpochNotClosed",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint32",
        "name": "expected",
        "type": "uint32"
      }
    ],
    "name": "EpochOutOfOrder",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint32",
        "name": "epoch",
        "type": "uint32"
      }
    ],
    "name": "EpochUnsettled",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "NeitherCoordinatorNorStandby",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint128",
        "name": "alreadyClaimed",
        "type": "uint128"
      }
    ],
    "name": "NothingToClaim",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "NothingToRefund",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "leader",
        "type": "address"
      }
    ],
    "name": "OnlyLeader",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "ProofInvalid",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "ReentrancyGuardReentrantCall",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint128",
        "name": "asked",
        "type": "uint128"
      },
      {
        "internalType": "uint128",
        "name": "epochReward",
        "type": "uint128"
      }
    ],
    "name": "RewardExceeded",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      }
    ],
    "name": "RunAlreadyEnded",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      }
    ],
    "name": "RunExists",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      }
    ],
    "name": "RunNotEnded",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      }
    ],
    "name": "RunUnknown",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint8",
        "name": "bits",
        "type": "uint8"
      },
      {
        "internalType": "uint256",
        "name": "value",
        "type": "uint256"
      }
    ],
    "name": "SafeCastOverflowedUintDowncast",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "token",
        "type": "address"
      }
    ],
    "name": "SafeERC20FailedOperation",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "StandbysInvalid",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint32",
        "name": "current",
        "type": "uint32"
      }
    ],
    "name": "TermStale",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint32",
        "name": "most",
        "type": "uint32"
      }
    ],
    "name": "TermTooFar",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "TermsInvalid",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "expected",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "received",
        "type": "uint256"
      }
    ],
    "name": "TokenTookFee",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint64",
        "name": "nextFinalizesAt",
        "type": "uint64"
      }
    ],
    "name": "TooManyPending",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint128",
        "name": "previous",
        "type": "uint128"
      }
    ],
    "name": "TotalDecreased",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint128",
        "name": "asked",
        "type": "uint128"
      },
      {
        "internalType": "uint128",
        "name": "unspent",
        "type": "uint128"
      }
    ],
    "name": "Underfunded",
    "type": "error"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "account",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint128",
        "name": "amount",
        "type": "uint128"
      },
      {
        "indexed": false,
        "internalType": "uint128",
        "name": "cumulative",
        "type": "uint128"
      }
    ],
    "name": "Claimed",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "indexed": true,
        "internalType": "uint32",
        "name": "epoch",
        "type": "uint32"
      },
      {
        "indexed": false,
        "internalType": "bytes32",
        "name": "historyRoot",
        "type": "bytes32"
      }
    ],
    "name": "EpochClosed",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "indexed": true,
        "internalType": "uint32",
        "name": "epoch",
        "type": "uint32"
      },
      {
        "indexed": false,
        "internalType": "bytes32",
        "name": "payoutRoot",
        "type": "bytes32"
      },
      {
        "indexed": false,
        "internalType": "uint128",
        "name": "cumulativeTotal",
        "type": "uint128"
      },
      {
        "indexed": false,
        "internalType": "bytes32",
        "name": "checkpoint",
        "type": "bytes32"
      },
      {
        "indexed": false,
        "internalType": "uint64",
        "name": "finalizesAt",
        "type": "uint64"
      }
    ],
    "name": "EpochSettled",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "funder",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint128",
        "name": "amount",
        "type": "uint128"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "shares",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint32",
        "name": "generation",
        "type": "uint32"
      }
    ],
    "name": "Funded",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "leader",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint32",
        "name": "term",
        "type": "uint32"
      }
    ],
    "name": "LeaseTaken",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "funder",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint128",
        "name": "amount",
        "type": "uint128"
      }
    ],
    "name": "Refunded",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "coordinator",
        "type": "address"
      },
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "specDigest",
        "type": "bytes32"
      },
      {
        "indexed": false,
        "internalType": "contract IERC20",
        "name": "token",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint128",
        "name": "epochReward",
        "type": "uint128"
      },
      {
        "indexed": false,
        "internalType": "uint32",
        "name": "epochs",
        "type": "uint32"
      },
      {
        "indexed": false,
        "internalType": "uint32",
        "name": "disputeWindowSeconds",
        "type": "uint32"
      },
      {
        "indexed": false,
        "internalType": "uint64",
        "name": "deadline",
        "type": "uint64"
      }
    ],
    "name": "RunCreated",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "indexed": false,
        "internalType": "enum IRunEscrow.EndReason",
        "name": "reason",
        "type": "uint8"
      },
      {
        "indexed": false,
        "internalType": "uint128",
        "name": "unspent",
        "type": "uint128"
      }
    ],
    "name": "RunEnded",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "indexed": false,
        "internalType": "address[]",
        "name": "standbys",
        "type": "address[]"
      }
    ],
    "name": "StandbysNamed",
    "type": "event"
  },
  {
    "inputs": [],
    "name": "MAX_PENDING",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "MAX_STANDBYS",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "MAX_TERM_STEP",
    "outputs": [
      {
        "internalType": "uint32",
        "name": "",
        "type": "uint32"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      }
    ],
    "name": "accounting",
    "outputs": [
      {
        "internalType": "uint128",
        "name": "funded",
        "type": "uint128"
      },
      {
        "internalType": "uint128",
        "name": "reserved",
        "type": "uint128"
      },
      {
        "internalType": "uint128",
        "name": "claimed",
        "type": "uint128"
      },
      {
        "internalType": "uint128",
        "name": "unspent",
        "type": "uint128"
      },
      {
        "internalType": "uint128",
        "name": "refunded",
        "type": "uint128"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      },
      {
        "internalType": "uint128",
        "name": "cumulative",
        "type": "uint128"
      },
      {
        "internalType": "bytes32[]",
        "name": "proof",
        "type": "bytes32[]"
      }
    ],
    "name": "claim",
    "outputs": [
      {
        "internalType": "uint128",
        "name": "amount",
        "type": "uint128"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      }
    ],
    "name": "claimedBy",
    "outputs": [
      {
        "internalType": "uint128",
        "name": "",
        "type": "uint128"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "internalType": "uint32",
        "name": "epoch",
        "type": "uint32"
      },
      {
        "internalType": "bytes32",
        "name": "historyRoot",
        "type": "bytes32"
      },
      {
        "internalType": "uint32",
        "name": "term",
        "type": "uint32"
      }
    ],
    "name": "closeEpoch",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "internalType": "uint32",
        "name": "epoch",
        "type": "uint32"
      }
    ],
    "name": "closure",
    "outputs": [
      {
        "internalType": "bytes32",
        "name": "historyRoot",
        "type": "bytes32"
      },
      {
        "internalType": "uint64",
        "name": "blockNumber",
        "type": "uint64"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "specDigest",
        "type": "bytes32"
      },
      {
        "internalType": "contract IERC20",
        "name": "token",
        "type": "address"
      },
      {
        "internalType": "uint128",
        "name": "epochReward",
        "type": "uint128"
      },
      {
        "internalType": "uint32",
        "name": "epochs",
        "type": "uint32"
      },
      {
        "internalType": "uint32",
        "name": "disputeWindowSeconds",
        "type": "uint32"
      },
      {
        "internalType": "uint64",
        "name": "deadline",
        "type": "uint64"
      },
      {
        "internalType": "address[]",
        "name": "standbys",
        "type": "address[]"
      }
    ],
    "name": "createRun",
    "outputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      }
    ],
    "name": "expire",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      }
    ],
    "name": "finalized",
    "outputs": [
      {
        "internalType": "uint32",
        "name": "epochCount",
        "type": "uint32"
      },
      {
        "internalType": "bytes32",
        "name": "payoutRoot",
        "type": "bytes32"
      },
      {
        "internalType": "uint128",
        "name": "cumulativeTotal",
        "type": "uint128"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "internalType": "uint32",
        "name": "term",
        "type": "uint32"
      }
    ],
    "name": "finish",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "internalType": "uint128",
        "name": "amount",
        "type": "uint128"
      }
    ],
    "name": "fund",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "internalType": "uint128",
        "name": "amount",
        "type": "uint128"
      },
      {
        "internalType": "uint256",
        "name": "permitDeadline",
        "type": "uint256"
      },
      {
        "internalType": "uint8",
        "name": "v",
        "type": "uint8"
      },
      {
        "internalType": "bytes32",
        "name": "r",
        "type": "bytes32"
      },
      {
        "internalType": "bytes32",
        "name": "s",
        "type": "bytes32"
      }
    ],
    "name": "fundWithPermit",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "internalType": "address",
        "name": "funder",
        "type": "address"
      }
    ],
    "name": "funding",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "shares",
        "type": "uint256"
      },
      {
        "internalType": "uint128",
        "name": "value",
        "type": "uint128"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      }
    ],
    "name": "mayLead",
    "outputs": [
      {
        "internalType": "bool",
        "name": "",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "internalType": "address",
        "name": "funder",
        "type": "address"
      }
    ],
    "name": "refund",
    "outputs": [
      {
        "internalType": "uint128",
        "name": "amount",
        "type": "uint128"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "coordinator",
        "type": "address"
      },
      {
        "internalType": "bytes32",
        "name": "specDigest",
        "type": "bytes32"
      }
    ],
    "name": "runIdOf",
    "outputs": [
      {
        "internalType": "bytes32",
        "name": "",
        "type": "bytes32"
      }
    ],
    "stateMutability": "pure",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      }
    ],
    "name": "runs",
    "outputs": [
      {
        "components": [
          {
            "internalType": "address",
            "name": "leader",
            "type": "address"
          },
          {
            "internalType": "uint32",
            "name": "epochsClosed",
            "type": "uint32"
          },
          {
            "internalType": "uint32",
            "name": "epochsSettled",
            "type": "uint32"
          },
          {
            "internalType": "uint32",
            "name": "epochsFinalized",
            "type": "uint32"
          },
          {
            "internalType": "contract IERC20",
            "name": "token",
            "type": "address"
          },
          {
            "internalType": "uint32",
            "name": "epochs",
            "type": "uint32"
          },
          {
            "internalType": "uint32",
            "name": "term",
            "type": "uint32"
          },
          {
            "internalType": "bool",
            "name": "ended",
            "type": "bool"
          },
          {
            "internalType": "uint128",
            "name": "epochReward",
            "type": "uint128"
          },
          {
            "internalType": "uint128",
            "name": "funded",
            "type": "uint128"
          },
          {
            "internalType": "uint128",
            "name": "reserved",
            "type": "uint128"
          },
          {
            "internalType": "uint128",
            "name": "claimed",
            "type": "uint128"
          },
          {
            "internalType": "uint128",
            "name": "refunded",
            "type": "uint128"
          },
          {
            "internalType": "uint64",
            "name": "deadline",
            "type": "uint64"
          },
          {
            "internalType": "uint32",
            "name": "disputeWindowSeconds",
            "type": "uint32"
          },
          {
            "internalType": "uint32",
            "name": "generation",
            "type": "uint32"
          },
          {
            "internalType": "uint256",
            "name": "totalShares",
            "type": "uint256"
          },
          {
            "internalType": "address",
            "name": "coordinator",
            "type": "address"
          }
        ],
        "internalType": "struct IRunEscrow.Run",
        "name": "",
        "type": "tuple"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "internalType": "uint32",
        "name": "epoch",
        "type": "uint32"
      },
      {
        "internalType": "bytes32",
        "name": "payoutRoot",
        "type": "bytes32"
      },
      {
        "internalType": "uint128",
        "name": "cumulativeTotal",
        "type": "uint128"
      },
      {
        "internalType": "bytes32",
        "name": "checkpoint",
        "type": "bytes32"
      },
      {
        "internalType": "uint32",
        "name": "term",
        "type": "uint32"
      }
    ],
    "name": "settleEpoch",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "runId",
        "type": "bytes32"
      },
      {
        "internalType": "uint32",
        "name": "term",
        "type": "uint32"
      }
    ],
    "name": "takeLease",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  }
] as const

export const runEscrowBytecode = '0x6080604052348015600e575f5ffd5b5061279b8061001c5f395ff3fe608060405234801561000f575f5ffd5b5060043610610132575f3560e01c80638618ec27116100b4578063aaf16e7611610079578063aaf16e76146102eb578063b95559a11461030e578063bd99fe1f1461035b578063c64417981461036e578063f02b1d0914610381578063fc96d085146103b1575f5ffd5b80638618ec27146102625780638b0d6413146102825780639b5e7fe4146102955780639cabe10e146102a8578063aa86e4af146102d8575f5ffd5b806345b4032c116100fa57806345b4032c146101e15780635ab409bf1461020c5780635c9987c81461023f5780636843392e146102525780637f8bba581461025a575f5ffd5b806305e3f667146101365780630abea2681461014b57806320452d291461018e57806337e6f3a7146101af5780633db224a5146101c2575b5f5ffd5b6101496101443660046120a1565b6103c4565b005b61015e6101593660046120fc565b61047c565b6040805163ffffffff909416845260208401929092526001600160801b0316908201526060015b60405180910390f35b6101a161019c36600461217d565b61049e565b604051908152602001610185565b6101a16101bd366004612225565b610682565b6101cc6201000081565b60405163ffffffff9091168152602001610185565b6101f46101ef36600461224f565b6106bf565b6040516001600160801b039091168152602001610185565b6101f461021a36600461224f565b600560209081525f92835260408084209091529082529020546001600160801b031681565b6101f461024d36600461227d565b6108a8565b6101a1610b32565b6101a1600781565b6102756102703660046120fc565b610b41565b60405161018591906122e8565b6101496102903660046124ab565b610ced565b6101496102a3366004612506565b611116565b6102bb6102b6366004612549565b61124b565b604080519283526001600160401b03909116602083015201610185565b6101496102e6366004612549565b611282565b6102fe6102f936600461224f565b6112f2565b6040519015158152602001610185565b61032161031c3660046120fc565b611341565b604080516001600160801b03968716815294861660208601529285169284019290925283166060830152909116608082015260a001610185565b610149610369366004612573565b6113a2565b61014961037c3660046120fc565b6113c0565b61039461038f36600461224f565b611427565b604080519283526001600160801b03909116602083015201610185565b6101496103bf366004612549565b6114a2565b6103cc6115ff565b5f6103d687611636565b6001015460405163d505accf60e01b81523360048201523060248201526001600160801b03881660448201526064810187905260ff8616608482015260a4810185905260c481018490526001600160a01b039091169150819063d505accf9060e4015f604051808303815f87803b15801561044f575f5ffd5b505af1925050508015610460575060015b5061046b8787611676565b506104746119ac565b505050505050565b5f5f5f6104918461048c86611636565b6119d6565b9250925092509193909250565b5f6104a9338a610682565b5f8181526020819052604090206001810154919250906001600160a01b0316156104ee57604051632c4b81bd60e11b8152600481018390526024015b60405180910390fd5b6001600160a01b0389163b158061050c57506001600160801b038816155b8061051b575063ffffffff8716155b8061052f575042856001600160401b031611155b1561054d576040516304a0f14f60e31b815260040160405180910390fd5b600681018054336001600160a01b03199182168117909255825416811782556001820180546002840180546001600160801b0319166001600160801b038d169081179091556001600160a01b038d166001600160c01b03199092168217600160a01b63ffffffff8d8116918202929092179094556004860180546bffffffffffffffffffffffff60801b1916600160c01b928d1692830267ffffffffffffffff60801b191617600160801b6001600160401b038d169081029190911790915560408051948552602085019390935291830193909352606082019290925260808101919091528b919084907fe7ac4381a083e6b3896e25a7b3f97afc5fa667031c10aade1dc4cbf4a072d28b9060a00160405180910390a4821561067557610675828585611a58565b5098975050505050505050565b604080516001600160a01b03841660208201529081018290525f906060016040516020818303038152906040528051906020012090505b92915050565b5f6106c86115ff565b5f6106d284611636565b6001810154909150600160e01b900460ff166107045760405163213aa37160e21b8152600481018590526024016104e5565b5f84815260046020818152604080842092850154600160e01b900463ffffffff1684529181528183206001600160a01b038716845290528120549081900361075f5760405163f76aef6560e01b815260040160405180910390fd5b61077f8161076c84611b84565b6001600160801b03168460050154611bc1565b5f86815260046020818152604080842092870154600160e01b900463ffffffff1684529181528183206001600160a01b03891684529052812081905560058401805492955083929091906107d49084906125a8565b90915550506004820180548491905f906107f89084906001600160801b03166125bb565b92506101000a8154816001600160801b0302191690836001600160801b03160217905550836001600160a01b0316857fa84286cf8ebc7903a663c77c8d99aa92b600d4c2fcca872a5d4a663db4eb394b8560405161086591906001600160801b0391909116815260200190565b60405180910390a36001600160801b0383161561089e57600182015461089e906001600160a01b0316856001600160801b038616611c71565b50506106b96119ac565b5f6108b16115ff565b5f6108bb87611636565b90505f5f6108c989846119d6565b604080514660208201523091810191909152606081018d90526001600160a01b038c1660808201526001600160801b038b1660a082015291945092505f915060c00160408051601f198184030181528282528051602091820120908301520160405160208183030381529060405280519060200120905061094c87878584611ca6565b61096957604051631ff3747d60e21b815260040160405180910390fd5b5f8a81526005602090815260408083206001600160a01b038d1684529091529020546001600160801b0390811690891681106109c35760405163076438b960e31b81526001600160801b03821660048201526024016104e5565b6109cd818a6125da565b60038601549096506001600160801b03808516916109f691808a1691600160801b9004166125f9565b1115610a2057604051635f89b98360e11b81526001600160801b03841660048201526024016104e5565b5f8b81526005602090815260408083206001600160a01b038e168452909152902080546001600160801b0319166001600160801b038b8116919091179091556003860180548892601091610a7d918591600160801b9004166125bb565b92506101000a8154816001600160801b0302191690836001600160801b03160217905550896001600160a01b03168b7f36bd546bb573e8921fdbfd934bbed62d872796b01792cd240cce27f79dd3eddd888c604051610af29291906001600160801b0392831681529116602082015260400190565b60405180910390a36001850154610b1c906001600160a01b03168b6001600160801b038916611c71565b5050505050610b296119ac565b95945050505050565b610b3e600160086125a8565b81565b60408051610240810182525f80825260208201819052918101829052606081018290526080810182905260a0810182905260c0810182905260e08101829052610100810182905261012081018290526101408101829052610160810182905261018081018290526101a081018290526101c081018290526101e081018290526102008101829052610220810191909152610bda82611636565b604080516102408101825282546001600160a01b038082168352600160a01b80830463ffffffff9081166020860152600160c01b808504821696860196909652600160e01b938490048116606086015260018701548084166080870152918204811660a0860152858204811660c08601529083900460ff16151560e085015260028601546001600160801b03808216610100870152600160801b9182900481166101208701526003880154808216610140880152829004811661016087015260048801549081166101808701529081046001600160401b03166101a086015294850481166101c085015291909304166101e082015260058301546102008201526006909201541661022082015292915050565b5f610cf787611cbd565b9050610d038183611cfa565b805463ffffffff878116600160c01b9092041614610d4557805460405163856deae960e01b8152600160c01b90910463ffffffff1660048201526024016104e5565b805463ffffffff600160a01b909104811690871610610d7f5760405163e1337f5d60e01b815263ffffffff871660048201526024016104e5565b5f87815260026020818152604080842063ffffffff8b168552909152822060010154610db6916001600160401b03909116906125f9565b905080431015610ddc5760405163a4cef03360e01b8152600481018290526024016104e5565b60038201546001600160801b03908116908616811115610e1a5760405163e590c0f160e01b81526001600160801b03821660048201526024016104e5565b5f610e2582886125da565b60028501549091506001600160801b039081169082161115610e735760028401546040516361d677f760e01b81526001600160801b03808416600483015290911660248201526044016104e5565b5f610e7d85611b84565b9050806001600160801b0316826001600160801b03161115610ec557604051635b1893fb60e11b81526001600160801b038084166004830152821660248201526044016104e5565b5f610ed08c87611d7a565b9050610ede600160086125a8565b610ee8828d61260c565b63ffffffff1610610f51575f8c815260036020526040812090610f12600863ffffffff851661263c565b8152602081019190915260409081015f2060010154905163b586865160e01b8152600160801b9091046001600160401b031660048201526024016104e5565b60048601545f90610f6f90600160c01b900463ffffffff164261265b565b905060405180606001604052808c81526020018b6001600160801b03168152602001826001600160401b031681525060035f8f81526020019081526020015f205f60088f63ffffffff16610fc3919061263c565b815260208082019290925260409081015f2083518155918301516001928301805494909201516001600160401b0316600160801b026001600160c01b03199094166001600160801b039091161792909217909155875463ffffffff8416600160e01b026001600160e01b0390911617885561103f908d9061267a565b875463ffffffff60c01b1916600160c01b63ffffffff928316021788556003880180546001600160801b0319166001600160801b038d16908117909155604080518e8152602081019290925281018b90526001600160401b0383166060820152908d16908e907f5892a4d79ceab47fdeb5b68b5ced5917c2fb8da02e59cde73ca8cffc90c57a609060800160405180910390a3600187810154600160a01b900463ffffffff16906110f1908e9061267a565b63ffffffff1603611107576111078d885f611e0c565b50505050505050505050505050565b5f61112085611cbd565b905061112c8183611cfa565b805463ffffffff858116600160a01b909204161415806111615750600181015463ffffffff600160a01b909104811690851610155b1561119057805460405163856deae960e01b8152600160a01b90910463ffffffff1660048201526024016104e5565b61119b84600161267a565b815463ffffffff60a01b1916600160a01b63ffffffff92831602178255604080518082018252858152436001600160401b0390811660208084019182525f8b815260028252858120968b16808252968252859020935184559051600193909301805467ffffffffffffffff191693909216929092179055905185815287917f7948ffffaab1e83f1d7adfa53a2e0971fe8dd7705fd6c87e273d92d92abbd192910160405180910390a35050505050565b5f82815260026020908152604080832063ffffffff85168452909152902080546001909101546001600160401b03165b9250929050565b5f61128c83611cbd565b90506112988183611cfa565b8054600160a01b810463ffffffff908116600160c01b90920416146112e1578054604051636be6316b60e11b8152600160c01b90910463ffffffff1660048201526024016104e5565b6112ed83826001611e0c565b505050565b5f6112fc83611636565b600601546001600160a01b038381169116148061133a57505f8381526001602090815260408083206001600160a01b038616845290915290205460ff165b9392505050565b5f5f5f5f5f5f61135087611636565b600281015460038201549192506001600160801b03600160801b918290048116928082169290041661138184611b84565b60049490940154929a91995097509195506001600160801b03169350915050565b6113aa6115ff565b6113b48282611676565b6113bc6119ac565b5050565b5f6113ca82611cbd565b6004810154909150600160801b90046001600160401b0316421161141b5760048181015460405163bd5145db60e01b8152600160801b9091046001600160401b0316918101919091526024016104e5565b6113bc82826002611e0c565b5f5f5f61143385611636565b5f86815260046020818152604080842092850154600160e01b900463ffffffff1684529181528183206001600160a01b0389168452905290205493509050821561149a576114978361148483611b84565b6001600160801b03168360050154611bc1565b91505b509250929050565b5f6114ac83611cbd565b60068101549091506001600160a01b031633148015906114e557505f83815260016020908152604080832033845290915290205460ff16155b15611503576040516321b3ab8160e01b815260040160405180910390fd5b600181015463ffffffff600160c01b90910481169083168110611541576040516320b33c3160e11b815263ffffffff821660048201526024016104e5565b6201000061154f828561260c565b63ffffffff16111561158a57611568620100008261267a565b604051631bc4217f60e01b815263ffffffff90911660048201526024016104e5565b60018201805463ffffffff60c01b1916600160c01b63ffffffff8616908102919091179091558254336001600160a01b0319909116811784556040519182529085907f9e0acbc977f0ba4bf5bd8fbf5622f4c4b50135147fb70250015fce28cad2bbd09060200160405180910390a350505050565b611607611e68565b61163460017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005b90611ea8565b565b5f81815260208190526040902060018101546001600160a01b031661167157604051630176aaa560e01b8152600481018390526024016104e5565b919050565b5f61168083611cbd565b9050816001600160801b03165f036116ab576040516365e52d5160e11b815260040160405180910390fd5b5f6116b582611b84565b6001600160801b03169050816005015468010000000000000000826116da9190612696565b1161172b57600182600401601c8282829054906101000a900463ffffffff16611703919061267a565b92506101000a81548163ffffffff021916908363ffffffff1602179055505f82600501819055505b5f82600501545f146117545761174f846001600160801b0316846005015484611bc1565b61175f565b836001600160801b03165b905080836005015f82825461177491906125f9565b90915550505f85815260046020818152604080842092870154600160e01b900463ffffffff1684529181528183203384529052812080548392906117b99084906125f9565b909155505060028301546117e9906117e4906001600160801b0380881691600160801b9004166125f9565b611eaf565b6002840180546001600160801b03928316600160801b0290831617905560048401546040805192871683526020830184905263ffffffff600160e01b9092049190911690820152339086907fdb778ee9d5aaaaf945d5cdb8a1e5fda835f6adc5825d26ce780aed66c7407d1e9060600160405180910390a360018301546040516370a0823160e01b81523060048201526001600160a01b03909116905f9082906370a0823190602401602060405180830381865afa1580156118ad573d5f5f3e3d5ffd5b505050506040513d601f19601f820116820180604052508101906118d191906126ad565b90506118f16001600160a01b03831633306001600160801b038a16611ee6565b6040516370a0823160e01b81523060048201525f9082906001600160a01b038516906370a0823190602401602060405180830381865afa158015611937573d5f5f3e3d5ffd5b505050506040513d601f19601f8201168201806040525081019061195b91906126ad565b61196591906125a8565b9050866001600160801b031681146119a2576040516374bf1a0360e01b81526001600160801b0388166004820152602481018290526044016104e5565b5050505050505050565b6116345f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f0061162e565b5f5f5f6119e38585611d7a565b92508263ffffffff165f036119ff57505f915081905080611a51565b5f858152600360205260408120816008611a1a60018861260c565b63ffffffff16611a2a919061263c565b815260208101919091526040015f2080546001909101549093506001600160801b03169150505b9250925092565b6007811115611a7a576040516357fd0c8b60e01b815260040160405180910390fd5b5f838152600160205260408120905b82811015611b43575f848483818110611aa457611aa46126c4565b9050602002016020810190611ab991906126d8565b90506001600160a01b0381161580611ad957506001600160a01b03811633145b80611afb57506001600160a01b0381165f9081526020849052604090205460ff165b15611b19576040516357fd0c8b60e01b815260040160405180910390fd5b6001600160a01b03165f908152602083905260409020805460ff1916600190811790915501611a89565b50837fabf8a166aded01146fb3526a358cbe359aaed749e7edc5fa687b407a2261cd5d8484604051611b769291906126f3565b60405180910390a250505050565b6004810154600382015460028301545f926001600160801b0390811692611bb79290821691600160801b909104166125da565b6106b991906125da565b5f5f5f611bce8686611f22565b91509150815f03611bf257838181611be857611be8612628565b049250505061133a565b818411611c0957611c096003851502601118611f3e565b5f848688095f868103871696879004966002600389028118808a02820302808a02820302808a02820302808a02820302808a02820302808a02909103029181900381900460010185841190960395909502919093039390930492909217029150509392505050565b611c7e8383836001611f4f565b6112ed57604051635274afe760e01b81526001600160a01b03841660048201526024016104e5565b5f82611cb3868685611fb1565b1495945050505050565b5f611cc782611636565b6001810154909150600160e01b900460ff16156116715760405163770f555360e01b8152600481018390526024016104e5565b600182015463ffffffff828116600160c01b9092041614611d425760018201546040516320b33c3160e11b8152600160c01b90910463ffffffff1660048201526024016104e5565b81546001600160a01b031633146113bc5781546040516307638c7f60e51b81526001600160a01b0390911660048201526024016104e5565b805463ffffffff600160e01b8204811691600160c01b9004165b8063ffffffff168263ffffffff16108015611df057505f8481526003602052604081204291611dca600863ffffffff871661263c565b815260208101919091526040015f2060010154600160801b90046001600160401b031611155b15611e0557611dfe8261273f565b9150611d94565b5092915050565b60018201805460ff60e01b1916600160e01b179055827ff268af121baf0b41f5ca20b114fa5c4aaa89373389afae7f37b03ed09dacd9cd82611e4d85611b84565b604051611e5b929190612763565b60405180910390a2505050565b7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005c1561163457604051633ee5aeb560e01b815260040160405180910390fd5b80825d5050565b5f6001600160801b03821115611ee2576040516306dfcc6560e41b815260806004820152602481018390526044016104e5565b5090565b611ef4848484846001611ff2565b611f1c57604051635274afe760e01b81526001600160a01b03851660048201526024016104e5565b50505050565b5f805f1983850993909202808410938190039390930393915050565b634e487b715f52806020526024601cfd5b60405163a9059cbb60e01b5f8181526001600160a01b038616600452602485905291602083604481808b5af1925060015f51148316611fa5578383151615611f99573d5f823e3d81fd5b5f873b113d1516831692505b60405250949350505050565b5f81815b84811015611fe957611fdf82878784818110611fd357611fd36126c4565b9050602002013561205f565b9150600101611fb5565b50949350505050565b6040516323b872dd60e01b5f8181526001600160a01b038781166004528616602452604485905291602083606481808c5af1925060015f5114831661204e578383151615612042573d5f823e3d81fd5b5f883b113d1516831692505b604052505f60605295945050505050565b5f818310612079575f82815260208490526040902061133a565b5f83815260208390526040902061133a565b80356001600160801b0381168114611671575f5ffd5b5f5f5f5f5f5f60c087890312156120b6575f5ffd5b863595506120c66020880161208b565b945060408701359350606087013560ff811681146120e2575f5ffd5b9598949750929560808101359460a0909101359350915050565b5f6020828403121561210c575f5ffd5b5035919050565b6001600160a01b0381168114612127575f5ffd5b50565b803563ffffffff81168114611671575f5ffd5b5f5f83601f84011261214d575f5ffd5b5081356001600160401b03811115612163575f5ffd5b6020830191508360208260051b850101111561127b575f5ffd5b5f5f5f5f5f5f5f5f60e0898b031215612194575f5ffd5b8835975060208901356121a681612113565b96506121b460408a0161208b565b95506121c260608a0161212a565b94506121d060808a0161212a565b935060a08901356001600160401b03811681146121eb575f5ffd5b925060c08901356001600160401b03811115612205575f5ffd5b6122118b828c0161213d565b999c989b5096995094979396929594505050565b5f5f60408385031215612236575f5ffd5b823561224181612113565b946020939093013593505050565b5f5f60408385031215612260575f5ffd5b82359150602083013561227281612113565b809150509250929050565b5f5f5f5f5f60808688031215612291575f5ffd5b8535945060208601356122a381612113565b93506122b16040870161208b565b925060608601356001600160401b038111156122cb575f5ffd5b6122d78882890161213d565b969995985093965092949392505050565b81516001600160a01b0316815261024081016020830151612311602084018263ffffffff169052565b506040830151612329604084018263ffffffff169052565b506060830151612341606084018263ffffffff169052565b50608083015161235c60808401826001600160a01b03169052565b5060a083015161237460a084018263ffffffff169052565b5060c083015161238c60c084018263ffffffff169052565b5060e08301516123a060e084018215159052565b506101008301516123bd6101008401826001600160801b03169052565b506101208301516123da6101208401826001600160801b03169052565b506101408301516123f76101408401826001600160801b03169052565b506101608301516124146101608401826001600160801b03169052565b506101808301516124316101808401826001600160801b03169052565b506101a083015161244e6101a08401826001600160401b03169052565b506101c08301516124686101c084018263ffffffff169052565b506101e08301516124826101e084018263ffffffff169052565b50610200830151610200830152610220830151611e056102208401826001600160a01b03169052565b5f5f5f5f5f5f60c087890312156124c0575f5ffd5b863595506124d06020880161212a565b9450604087013593506124e56060880161208b565b9250608087013591506124fa60a0880161212a565b90509295509295509295565b5f5f5f5f60808587031215612519575f5ffd5b843593506125296020860161212a565b92506040850135915061253e6060860161212a565b905092959194509250565b5f5f6040838503121561255a575f5ffd5b8235915061256a6020840161212a565b90509250929050565b5f5f60408385031215612584575f5ffd5b8235915061256a6020840161208b565b634e487b7160e01b5f52601160045260245ffd5b818103818111156106b9576106b9612594565b6001600160801b0381811683821601908111156106b9576106b9612594565b6001600160801b0382811682821603908111156106b9576106b9612594565b808201808211156106b9576106b9612594565b63ffffffff82811682821603908111156106b9576106b9612594565b634e487b7160e01b5f52601260045260245ffd5b5f8261265657634e487b7160e01b5f52601260045260245ffd5b500690565b6001600160401b0381811683821601908111156106b9576106b9612594565b63ffffffff81811683821601908111156106b9576106b9612594565b80820281158282048414176106b9576106b9612594565b5f602082840312156126bd575f5ffd5b5051919050565b634e487b7160e01b5f52603260045260245ffd5b5f602082840312156126e8575f5ffd5b813561133a81612113565b602080825281018290525f8360408301825b8581101561273557823561271881612113565b6001600160a01b0316825260209283019290910190600101612705565b5095945050505050565b5f63ffffffff821663ffffffff810361275a5761275a612594565b60010192915050565b604081016003841061278357634e487b7160e01b5f52602160045260245ffd5b9281526001600160801b03919091166020909101529056'
