/** What was read from the API, and when it is read again. */

import { QueryClient } from '@tanstack/react-query'
import { isStale, Problem } from './problem'

const FRESH_MS = 15_000
const MOST_RETRIES = 2

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: FRESH_MS,
      // A refusal stays a refusal; a lost connection or a throttle passes.
      retry: (failures, error) => error instanceof Problem && error.passes && failures < MOST_RETRIES,
      retryDelay: (failures, error) =>
        error instanceof Problem && error.retryAfterSeconds !== null
          ? error.retryAfterSeconds * 1000
          : 500 * 2 ** failures * (0.5 + Math.random()),
    },
    mutations: { retry: false },
  },
})

/** Reads the queries again whose keys begin with these parts, where a page shows them. */
export function reread(...key: string[]): Promise<void> {
  return queries.invalidateQueries({ queryKey: key })
}

/** Reads a resource again after a change was refused because of its version. The next change is for the version then shown. */
export function rereadIfStale(error: unknown, ...key: string[]): void {
  if (isStale(error)) void reread(...key)
}
