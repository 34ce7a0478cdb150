export function tunablesFor(glibcVersion: string | undefined): string
export function glibcTunables(): string
