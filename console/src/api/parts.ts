/** The part that is shown of each long list: the user comes back to it from one of its items. */

import { currentSession, onSession } from '~/session/session'

/** Where a part of a list begins, and the part before it. */
export type Part = { cursor: string | undefined; before: Part | null }
export const FIRST: Part = { cursor: undefined, before: null }
const shown = new Map<string, Part>()

// The API refuses the cursor of another user.
onSession(() => {
  if (currentSession().status === 'signed-out') shown.clear()
})

/** Returns the part of a list, by the key of the list. */
export function shownPart(list: string): Part {
  return shown.get(list) ?? FIRST
}

export function showPart(list: string, part: Part): void {
  if (part.before) shown.set(list, part)
  else shown.delete(list)
}
