// Written by chain/compile.ts from contracts/WorkerStake.sol: do not edit.
export const workerStakeAbi = [
  {
    "inputs": [
      {
        "internalType": "contract IERC20",
        "name": "token_",
        "type": "address"
      },
      {
        "internalType": "uint48",
        "name": "unbondingSeconds_",
        "type": "uint48"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "constructor"
  },
  {
    "inputs": [],
    "name": "AccountZero",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "AmountZero",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "NothingToWithdraw",
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
    "inputs": [
      {
        "internalType": "uint256",
        "name": "active",
        "type": "uint256"
      }
    ],
    "name": "StakeTooSmall",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint48",
        "name": "withdrawableAt",
        "type": "uint48"
      }
    ],
    "name": "StillUnbonding",
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
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "address",
        "name": "account",
        "type": "address"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "payer",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "active",
        "type": "uint256"
      }
    ],
    "name": "Deposited",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "address",
        "name": "account",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "unbonding",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint48",
        "name": "withdrawableAt",
        "type": "uint48"
      }
    ],
    "name": "UnbondingStarted",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "address",
        "name": "account",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "Withdrawn",
    "type": "event"
  },
  {
    "inputs": [],
    "name": "MAX_UNBONDING_SECONDS",
    "outputs": [
      {
        "internalType": "uint48",
        "name": "",
        "type": "uint48"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "deposit",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "depositFor",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "requestWithdraw",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      }
    ],
    "name": "stakeOf",
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
    "name": "token",
    "outputs": [
      {
        "internalType": "contract IERC20",
        "name": "",
        "type": "address"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      }
    ],
    "name": "unbondingOf",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      },
      {
        "internalType": "uint48",
        "name": "withdrawableAt",
        "type": "uint48"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "unbondingSeconds",
    "outputs": [
      {
        "internalType": "uint48",
        "name": "",
        "type": "uint48"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "withdraw",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "function"
  }
] as const

export const workerStakeBytecode = '0x60c060405234801561000f575f5ffd5b50604051610b80380380610b8083398101604081905261002e9161008c565b6001600160a01b0382163b158061005057506301e1338065ffffffffffff8216115b1561006e576040516304a0f14f60e31b815260040160405180910390fd5b6001600160a01b0390911660805265ffffffffffff1660a0526100d9565b5f5f6040838503121561009d575f5ffd5b82516001600160a01b03811681146100b3575f5ffd5b602084015190925065ffffffffffff811681146100ce575f5ffd5b809150509250929050565b60805160a051610a6361011d5f395f81816101a7015261065701525f81816101ce0152818161030d0152818161038d015281816103d601526105830152610a635ff3fe608060405234801561000f575f5ffd5b5060043610610090575f3560e01c8063745400c911610063578063745400c914610117578063acf099121461012a578063b6b55f251461018f578063d3b2fa1b146101a2578063fc0c546a146101c9575f5ffd5b80632f4f21e2146100945780633ccfd60b146100a957806342623360146100c457806368643087146100f5575b5f5ffd5b6100a76100a236600461094f565b610208565b005b6100b161049b565b6040519081526020015b60405180910390f35b6100b16100d2366004610977565b6001600160a01b03165f908152602081905260409020546001600160681b031690565b6101006301e1338081565b60405165ffffffffffff90911681526020016100bb565b6100a7610125366004610997565b6105c8565b610173610138366004610977565b6001600160a01b03165f90815260208190526040902054600160681b81046001600160681b031691600160d01b90910465ffffffffffff1690565b6040805192835265ffffffffffff9091166020830152016100bb565b6100a761019d366004610997565b610753565b6101007f000000000000000000000000000000000000000000000000000000000000000081565b6101f07f000000000000000000000000000000000000000000000000000000000000000081565b6040516001600160a01b0390911681526020016100bb565b610210610760565b6001600160a01b03821661023757604051630e6bc46160e11b815260040160405180910390fd5b805f03610257576040516365e52d5160e11b815260040160405180910390fd5b6001600160a01b0382165f908152602081905260409020805461028c90610287906001600160681b0316846109c2565b610793565b81546cffffffffffffffffffffffffff19166001600160681b0391909116908117825560408051848152602081019290925233916001600160a01b038616917ff5681f9d0db1b911ac18ee83d515a1cf1051853a9eae418316a2fdf7dea427c5910160405180910390a36040516370a0823160e01b81523060048201525f907f00000000000000000000000000000000000000000000000000000000000000006001600160a01b0316906370a0823190602401602060405180830381865afa15801561035a573d5f5f3e3d5ffd5b505050506040513d601f19601f8201168201806040525081019061037e91906109db565b90506103b56001600160a01b037f0000000000000000000000000000000000000000000000000000000000000000163330866107ca565b6040516370a0823160e01b81523060048201525f9082906001600160a01b037f000000000000000000000000000000000000000000000000000000000000000016906370a0823190602401602060405180830381865afa15801561041b573d5f5f3e3d5ffd5b505050506040513d601f19601f8201168201806040525081019061043f91906109db565b61044991906109f2565b905083811461047a576040516374bf1a0360e01b815260048101859052602481018290526044015b60405180910390fd5b5050506104976107915f5f516020610a435f395f51905f5261078b565b5050565b5f6104a4610760565b50335f9081526020819052604081208054600160681b90046001600160681b0316918290036104e657604051630686827b60e51b815260040160405180910390fd5b8054600160d01b900465ffffffffffff1642101561052a578054604051632c05494b60e21b8152600160d01b90910465ffffffffffff166004820152602401610471565b80546cffffffffffffffffffffffffff60681b1916815560405182815233907f7084f5476618d8e60b11ef0d7d3f06914655adb8793e28ff7f018d4c76d505d59060200160405180910390a26105aa6001600160a01b037f0000000000000000000000000000000000000000000000000000000000000000163384610806565b506105c56107915f5f516020610a435f395f51905f5261078b565b90565b805f036105e8576040516365e52d5160e11b815260040160405180910390fd5b335f90815260208190526040902080546001600160681b03168083111561062d57604051630368bf5760e11b81526001600160681b0382166004820152602401610471565b81545f9061064f9061028790600160681b90046001600160681b0316866109c2565b90505f61067c7f000000000000000000000000000000000000000000000000000000000000000042610a05565b9050604051806060016040528086856106959190610a23565b6001600160681b039081168252848116602080840182905265ffffffffffff8681166040958601819052335f818152808552879020885181548a8701519a8a0151909516600160d01b026001600160d01b039a8916600160681b026001600160d01b03199096169190981617939093179790971694909417905583518a815290810191909152918201527f19f168af983ed3ab29d131b0c544e09b69c66f2ee8bba9b742c59d98efda27b79060600160405180910390a25050505050565b61075d3382610208565b50565b6107775f516020610a435f395f51905f525c610840565b61079160015f516020610a435f395f51905f525b9061085e565b565b5f6001600160681b038211156107c6576040516306dfcc6560e41b81526068600482015260248101839052604401610471565b5090565b6107d8848484846001610865565b61080057604051635274afe760e01b81526001600160a01b0385166004820152602401610471565b50505050565b61081383838360016108d2565b61083b57604051635274afe760e01b81526001600160a01b0384166004820152602401610471565b505050565b1561079157604051633ee5aeb560e01b815260040160405180910390fd5b80825d5050565b6040516323b872dd60e01b5f8181526001600160a01b038781166004528616602452604485905291602083606481808c5af1925060015f511483166108c15783831516156108b5573d5f823e3d81fd5b5f883b113d1516831692505b604052505f60605295945050505050565b60405163a9059cbb60e01b5f8181526001600160a01b038616600452602485905291602083604481808b5af1925060015f5114831661092857838315161561091c573d5f823e3d81fd5b5f873b113d1516831692505b60405250949350505050565b80356001600160a01b038116811461094a575f5ffd5b919050565b5f5f60408385031215610960575f5ffd5b61096983610934565b946020939093013593505050565b5f60208284031215610987575f5ffd5b61099082610934565b9392505050565b5f602082840312156109a7575f5ffd5b5035919050565b634e487b7160e01b5f52601160045260245ffd5b808201808211156109d5576109d56109ae565b92915050565b5f602082840312156109eb575f5ffd5b5051919050565b818103818111156109d5576109d56109ae565b65ffffffffffff81811683821601908111156109d5576109d56109ae565b6001600160681b0382811682821603908111156109d5576109d56109ae56fe9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f00'
