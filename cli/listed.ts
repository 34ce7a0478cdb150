/** What `murmur list` can list. */
export const listed = ['runs', 'nodes', 'epochs', 'checkpoints', 'payments'] as const
