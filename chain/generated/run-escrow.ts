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
        "name": "coordinator",
        "type": "address"
      }
    ],
    "name": "OnlyCoordinator",
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
            "name": "coordinator",
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
            "name": "disputeWindowSeconds",
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
            "name": "generation",
            "type": "uint32"
          },
          {
            "internalType": "uint256",
            "name": "totalShares",
            "type": "uint256"
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
      }
    ],
    "name": "settleEpoch",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  }
] as const

export const runEscrowBytecode = '0x6080604052348015600e575f5ffd5b506122958061001c5f395ff3fe608060405234801561000f575f5ffd5b5060043610610106575f3560e01c80636843392e1161009e578063b95559a11161006e578063b95559a1146102b4578063bd99fe1f14610301578063c644179814610314578063f02b1d0914610327578063fde6305614610357575f5ffd5b80636843392e1461021a5780638618ec27146102225780639cabe10e146102425780639e020e47146102a1575f5ffd5b806337e6f3a7116100d957806337e6f3a71461018857806345b4032c146101a95780635ab409bf146101d45780635c9987c814610207575f5ffd5b806305e3f6671461010a5780630abea2681461011f57806313c18bf3146101625780633146302214610175575b5f5ffd5b61011d610118366004611c9a565b61036a565b005b61013261012d366004611cf5565b610422565b6040805163ffffffff909416845260208401929092526001600160801b0316908201526060015b60405180910390f35b61011d610170366004611d1f565b610444565b61011d610183366004611d52565b61057c565b61019b610196366004611db0565b6109a0565b604051908152602001610159565b6101bc6101b7366004611dda565b6109dd565b6040516001600160801b039091168152602001610159565b6101bc6101e2366004611dda565b600460209081525f92835260408084209091529082529020546001600160801b031681565b6101bc610215366004611e08565b610bc8565b61019b610e52565b610235610230366004611cf5565b610e61565b6040516101599190611ea0565b610284610250366004612030565b5f82815260016020818152604080842063ffffffff8616855290915290912080549101546001600160401b03169250929050565b604080519283526001600160401b03909116602083015201610159565b61019b6102af36600461205a565b610fe7565b6102c76102c2366004611cf5565b61119c565b604080516001600160801b03968716815294861660208601529285169284019290925283166060830152909116608082015260a001610159565b61011d61030f3660046120d4565b6111fd565b61011d610322366004611cf5565b61121b565b61033a610335366004611dda565b611282565b604080519283526001600160801b03909116602083015201610159565b61011d610365366004611cf5565b6112fe565b610372611368565b5f61037c8761139f565b6001015460405163d505accf60e01b81523360048201523060248201526001600160801b03881660448201526064810187905260ff8616608482015260a4810185905260c481018490526001600160a01b039091169150819063d505accf9060e4015f604051808303815f87803b1580156103f5575f5ffd5b505af1925050508015610406575060015b5061041187876113dc565b5061041a611713565b505050505050565b5f5f5f610437846104328661139f565b61173d565b9250925092509193909250565b5f61044e846117bf565b9050610459816117fc565b805463ffffffff848116600160a01b9092041614158061048e5750600181015463ffffffff600160a01b909104811690841610155b156104c257805460405163856deae960e01b8152600160a01b90910463ffffffff1660048201526024015b60405180910390fd5b6104cd836001612109565b815463ffffffff60a01b1916600160a01b63ffffffff92831602178255604080518082018252848152436001600160401b0390811660208084019182525f8a81526001808352868220978b168083529783529086902094518555915193909101805467ffffffffffffffff191693909216929092179055905184815286917f7948ffffaab1e83f1d7adfa53a2e0971fe8dd7705fd6c87e273d92d92abbd192910160405180910390a350505050565b5f610586866117bf565b9050610591816117fc565b805463ffffffff868116600160c01b90920416146105d357805460405163856deae960e01b8152600160c01b90910463ffffffff1660048201526024016104b9565b805463ffffffff600160a01b90910481169086161061060d5760405163e1337f5d60e01b815263ffffffff861660048201526024016104b9565b5f86815260016020818152604080842063ffffffff8a16855290915282200154610641906001600160401b03166002612125565b9050804310156106675760405163a4cef03360e01b8152600481018290526024016104b9565b60038201546001600160801b039081169085168111156106a55760405163e590c0f160e01b81526001600160801b03821660048201526024016104b9565b5f6106b08287612138565b60028501549091506001600160801b0390811690821611156106fe5760028401546040516361d677f760e01b81526001600160801b03808416600483015290911660248201526044016104b9565b5f61070885611837565b9050806001600160801b0316826001600160801b0316111561075057604051635b1893fb60e11b81526001600160801b038084166004830152821660248201526044016104b9565b5f61075b8b87611874565b905061076960016008612157565b610773828c61216a565b63ffffffff16106107dc575f8b81526002602052604081209061079d600863ffffffff851661219a565b8152602081019190915260409081015f2060010154905163b586865160e01b8152600160801b9091046001600160401b031660048201526024016104b9565b60018601545f906107fa90600160c01b900463ffffffff16426121b9565b905060405180606001604052808b81526020018a6001600160801b03168152602001826001600160401b031681525060025f8e81526020019081526020015f205f60088e63ffffffff1661084e919061219a565b815260208082019290925260409081015f2083518155918301516001928301805494909201516001600160401b0316600160801b026001600160c01b03199094166001600160801b039091161792909217909155875463ffffffff8416600160e01b026001600160e01b039091161788556108ca908c90612109565b875463ffffffff60c01b1916600160c01b63ffffffff928316021788556003880180546001600160801b0319166001600160801b038c16908117909155604080518d8152602081019290925281018a90526001600160401b0383166060820152908c16908d907f5892a4d79ceab47fdeb5b68b5ced5917c2fb8da02e59cde73ca8cffc90c57a609060800160405180910390a3600187810154600160a01b900463ffffffff169061097c908d90612109565b63ffffffff1603610992576109928c885f611906565b505050505050505050505050565b604080516001600160a01b03841660208201529081018290525f906060016040516020818303038152906040528051906020012090505b92915050565b5f6109e6611368565b5f6109f08461139f565b6001810154909150600160e01b900460ff16610a225760405163213aa37160e21b8152600481018590526024016104b9565b5f8481526003602090815260408083206004850154600160c01b900463ffffffff16845282528083206001600160a01b038716845290915281205490819003610a7e5760405163f76aef6560e01b815260040160405180910390fd5b610a9e81610a8b84611837565b6001600160801b03168460050154611962565b5f8681526003602090815260408083206004870154600160c01b900463ffffffff16845282528083206001600160a01b038916845290915281208190556005840180549295508392909190610af4908490612157565b90915550506004820180548491905f90610b189084906001600160801b03166121d8565b92506101000a8154816001600160801b0302191690836001600160801b03160217905550836001600160a01b0316857fa84286cf8ebc7903a663c77c8d99aa92b600d4c2fcca872a5d4a663db4eb394b85604051610b8591906001600160801b0391909116815260200190565b60405180910390a36001600160801b03831615610bbe576001820154610bbe906001600160a01b0316856001600160801b038616611a13565b50506109d7611713565b5f610bd1611368565b5f610bdb8761139f565b90505f5f610be9898461173d565b604080514660208201523091810191909152606081018d90526001600160a01b038c1660808201526001600160801b038b1660a082015291945092505f915060c00160408051601f1981840301815282825280516020918201209083015201604051602081830303815290604052805190602001209050610c6c87878584611a4d565b610c8957604051631ff3747d60e21b815260040160405180910390fd5b5f8a81526004602090815260408083206001600160a01b038d1684529091529020546001600160801b039081169089168110610ce35760405163076438b960e31b81526001600160801b03821660048201526024016104b9565b610ced818a612138565b60038601549096506001600160801b0380851691610d1691808a1691600160801b900416612125565b1115610d4057604051635f89b98360e11b81526001600160801b03841660048201526024016104b9565b5f8b81526004602090815260408083206001600160a01b038e168452909152902080546001600160801b0319166001600160801b038b8116919091179091556003860180548892601091610d9d918591600160801b9004166121d8565b92506101000a8154816001600160801b0302191690836001600160801b03160217905550896001600160a01b03168b7f36bd546bb573e8921fdbfd934bbed62d872796b01792cd240cce27f79dd3eddd888c604051610e129291906001600160801b0392831681529116602082015260400190565b60405180910390a36001850154610e3c906001600160a01b03168b6001600160801b038916611a13565b5050505050610e49611713565b95945050505050565b610e5e60016008612157565b81565b60408051610200810182525f80825260208201819052918101829052606081018290526080810182905260a0810182905260c0810182905260e08101829052610100810182905261012081018290526101408101829052610160810182905261018081018290526101a081018290526101c081018290526101e0810191909152610eea8261139f565b604080516102008101825282546001600160a01b038082168352600160a01b80830463ffffffff9081166020860152600160c01b808504821696860196909652600160e01b938490048116606086015260018701549283166080860152908204811660a0850152848204811660c085015291900460ff16151560e083015260028401546001600160801b03808216610100850152600160801b9182900481166101208501526003860154808216610140860152829004811661016085015260048601549081166101808501529081046001600160401b03166101a0840152929092049091166101c08201526005909101546101e082015292915050565b5f610ff233886109a0565b5f8181526020819052604090208054919250906001600160a01b03161561102f57604051632c4b81bd60e11b8152600481018390526024016104b9565b6001600160a01b0387163b158061104d57506001600160801b038616155b8061105c575063ffffffff8516155b80611070575042836001600160401b031611155b1561108e576040516304a0f14f60e31b815260040160405180910390fd5b8054336001600160a01b0319909116811782556001820180546002840180546001600160801b0319166001600160801b038b169081179091556001600160a01b038b166001600160c01b03199092168217600160a01b63ffffffff8b81169182029290921763ffffffff60c01b1916600160c01b928b169283021790945560048601805467ffffffffffffffff60801b1916600160801b6001600160401b038b1690810291909117909155604080519485526020850193909352918301939093526060820192909252608081019190915289919084907fe7ac4381a083e6b3896e25a7b3f97afc5fa667031c10aade1dc4cbf4a072d28b9060a00160405180910390a4509695505050505050565b5f5f5f5f5f5f6111ab8761139f565b600281015460038201549192506001600160801b03600160801b91829004811692808216929004166111dc84611837565b60049490940154929a91995097509195506001600160801b03169350915050565b611205611368565b61120f82826113dc565b611217611713565b5050565b5f611225826117bf565b6004810154909150600160801b90046001600160401b031642116112765760048181015460405163bd5145db60e01b8152600160801b9091046001600160401b0316918101919091526024016104b9565b61121782826002611906565b5f5f5f61128e8561139f565b5f8681526003602090815260408083206004850154600160c01b900463ffffffff16845282528083206001600160a01b03891684529091529020549350905082156112f6576112f3836112e083611837565b6001600160801b03168360050154611962565b91505b509250929050565b5f611308826117bf565b9050611313816117fc565b8054600160a01b810463ffffffff908116600160c01b909204161461135c578054604051636be6316b60e11b8152600160c01b90910463ffffffff1660048201526024016104b9565b61121782826001611906565b611370611a64565b61139d60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005b90611aa4565b565b5f81815260208190526040902080546001600160a01b03166113d757604051630176aaa560e01b8152600481018390526024016104b9565b919050565b5f6113e6836117bf565b9050816001600160801b03165f03611411576040516365e52d5160e11b815260040160405180910390fd5b5f61141b82611837565b6001600160801b031690508160050154680100000000000000008261144091906121f7565b116114915760018260040160188282829054906101000a900463ffffffff166114699190612109565b92506101000a81548163ffffffff021916908363ffffffff1602179055505f82600501819055505b5f82600501545f146114ba576114b5846001600160801b0316846005015484611962565b6114c5565b836001600160801b03165b905080836005015f8282546114da9190612125565b90915550505f8581526003602090815260408083206004870154600160c01b900463ffffffff168452825280832033845290915281208054839290611520908490612125565b909155505060028301546115509061154b906001600160801b0380881691600160801b900416612125565b611aab565b6002840180546001600160801b03928316600160801b0290831617905560048401546040805192871683526020830184905263ffffffff600160c01b9092049190911690820152339086907fdb778ee9d5aaaaf945d5cdb8a1e5fda835f6adc5825d26ce780aed66c7407d1e9060600160405180910390a360018301546040516370a0823160e01b81523060048201526001600160a01b03909116905f9082906370a0823190602401602060405180830381865afa158015611614573d5f5f3e3d5ffd5b505050506040513d601f19601f82011682018060405250810190611638919061220e565b90506116586001600160a01b03831633306001600160801b038a16611ae2565b6040516370a0823160e01b81523060048201525f9082906001600160a01b038516906370a0823190602401602060405180830381865afa15801561169e573d5f5f3e3d5ffd5b505050506040513d601f19601f820116820180604052508101906116c2919061220e565b6116cc9190612157565b9050866001600160801b03168114611709576040516374bf1a0360e01b81526001600160801b0388166004820152602481018290526044016104b9565b5050505050505050565b61139d5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f00611397565b5f5f5f61174a8585611874565b92508263ffffffff165f0361176657505f9150819050806117b8565b5f85815260026020526040812081600861178160018861216a565b63ffffffff16611791919061219a565b815260208101919091526040015f2080546001909101549093506001600160801b03169150505b9250925092565b5f6117c98261139f565b6001810154909150600160e01b900460ff16156113d75760405163770f555360e01b8152600481018390526024016104b9565b80546001600160a01b0316331461183457805460405163846a4c9560e01b81526001600160a01b0390911660048201526024016104b9565b50565b6004810154600382015460028301545f926001600160801b039081169261186a9290821691600160801b90910416612138565b6109d79190612138565b805463ffffffff600160e01b8204811691600160c01b9004165b8063ffffffff168263ffffffff161080156118ea57505f84815260026020526040812042916118c4600863ffffffff871661219a565b815260208101919091526040015f2060010154600160801b90046001600160401b031611155b156118ff576118f882612225565b915061188e565b5092915050565b60018201805460ff60e01b1916600160e01b179055827ff268af121baf0b41f5ca20b114fa5c4aaa89373389afae7f37b03ed09dacd9cd8261194785611837565b604051611955929190612249565b60405180910390a2505050565b5f5f5f61196f8686611b1e565b91509150815f036119935783818161198957611989612186565b0492505050611a0c565b8184116119aa576119aa6003851502601118611b3a565b5f848688095f868103871696879004966002600389028118808a02820302808a02820302808a02820302808a02820302808a02820302808a02909103029181900381900460010185841190960395909502919093039390930492909217029150505b9392505050565b611a208383836001611b4b565b611a4857604051635274afe760e01b81526001600160a01b03841660048201526024016104b9565b505050565b5f82611a5a868685611bad565b1495945050505050565b7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005c1561139d57604051633ee5aeb560e01b815260040160405180910390fd5b80825d5050565b5f6001600160801b03821115611ade576040516306dfcc6560e41b815260806004820152602481018390526044016104b9565b5090565b611af0848484846001611bee565b611b1857604051635274afe760e01b81526001600160a01b03851660048201526024016104b9565b50505050565b5f805f1983850993909202808410938190039390930393915050565b634e487b715f52806020526024601cfd5b60405163a9059cbb60e01b5f8181526001600160a01b038616600452602485905291602083604481808b5af1925060015f51148316611ba1578383151615611b95573d5f823e3d81fd5b5f873b113d1516831692505b60405250949350505050565b5f81815b84811015611be557611bdb82878784818110611bcf57611bcf612281565b90506020020135611c5b565b9150600101611bb1565b50949350505050565b6040516323b872dd60e01b5f8181526001600160a01b038781166004528616602452604485905291602083606481808c5af1925060015f51148316611c4a578383151615611c3e573d5f823e3d81fd5b5f883b113d1516831692505b604052505f60605295945050505050565b5f818310611c75575f828152602084905260409020611a0c565b505f9182526020526040902090565b80356001600160801b03811681146113d7575f5ffd5b5f5f5f5f5f5f60c08789031215611caf575f5ffd5b86359550611cbf60208801611c84565b945060408701359350606087013560ff81168114611cdb575f5ffd5b9598949750929560808101359460a0909101359350915050565b5f60208284031215611d05575f5ffd5b5035919050565b803563ffffffff811681146113d7575f5ffd5b5f5f5f60608486031215611d31575f5ffd5b83359250611d4160208501611d0c565b929592945050506040919091013590565b5f5f5f5f5f60a08688031215611d66575f5ffd5b85359450611d7660208701611d0c565b935060408601359250611d8b60608701611c84565b949793965091946080013592915050565b6001600160a01b0381168114611834575f5ffd5b5f5f60408385031215611dc1575f5ffd5b8235611dcc81611d9c565b946020939093013593505050565b5f5f60408385031215611deb575f5ffd5b823591506020830135611dfd81611d9c565b809150509250929050565b5f5f5f5f5f60808688031215611e1c575f5ffd5b853594506020860135611e2e81611d9c565b9350611e3c60408701611c84565b925060608601356001600160401b03811115611e56575f5ffd5b8601601f81018813611e66575f5ffd5b80356001600160401b03811115611e7b575f5ffd5b8860208260051b8401011115611e8f575f5ffd5b959894975092955050506020019190565b81516001600160a01b0316815261020081016020830151611ec9602084018263ffffffff169052565b506040830151611ee1604084018263ffffffff169052565b506060830151611ef9606084018263ffffffff169052565b506080830151611f1460808401826001600160a01b03169052565b5060a0830151611f2c60a084018263ffffffff169052565b5060c0830151611f4460c084018263ffffffff169052565b5060e0830151611f5860e084018215159052565b50610100830151611f756101008401826001600160801b03169052565b50610120830151611f926101208401826001600160801b03169052565b50610140830151611faf6101408401826001600160801b03169052565b50610160830151611fcc6101608401826001600160801b03169052565b50610180830151611fe96101808401826001600160801b03169052565b506101a08301516120066101a08401826001600160401b03169052565b506101c08301516120206101c084018263ffffffff169052565b506101e092830151919092015290565b5f5f60408385031215612041575f5ffd5b8235915061205160208401611d0c565b90509250929050565b5f5f5f5f5f5f60c0878903121561206f575f5ffd5b86359550602087013561208181611d9c565b945061208f60408801611c84565b935061209d60608801611d0c565b92506120ab60808801611d0c565b915060a08701356001600160401b03811681146120c6575f5ffd5b809150509295509295509295565b5f5f604083850312156120e5575f5ffd5b8235915061205160208401611c84565b634e487b7160e01b5f52601160045260245ffd5b63ffffffff81811683821601908111156109d7576109d76120f5565b808201808211156109d7576109d76120f5565b6001600160801b0382811682821603908111156109d7576109d76120f5565b818103818111156109d7576109d76120f5565b63ffffffff82811682821603908111156109d7576109d76120f5565b634e487b7160e01b5f52601260045260245ffd5b5f826121b457634e487b7160e01b5f52601260045260245ffd5b500690565b6001600160401b0381811683821601908111156109d7576109d76120f5565b6001600160801b0381811683821601908111156109d7576109d76120f5565b80820281158282048414176109d7576109d76120f5565b5f6020828403121561221e575f5ffd5b5051919050565b5f63ffffffff821663ffffffff8103612240576122406120f5565b60010192915050565b604081016003841061226957634e487b7160e01b5f52602160045260245ffd5b9281526001600160801b039190911660209091015290565b634e487b7160e01b5f52603260045260245ffd'
