/** The levels of a product's stock after each of its movements. */

import type { Product } from '~/api/client'
import type { Steps } from '~/ui/StepChart'
import type { Movement } from './products'

type Units = Pick<Product, 'available' | 'reserved' | 'shards'>

export function changeOf(movement: Movement): { available: number; reserved: number; onHand: number } {
  const available = movement.available.after - movement.available.before
  const reserved = movement.reserved.after - movement.reserved.before
  return { available, reserved, onHand: available + reserved }
}

/** Whether the units of the movements are those of the whole product, which has no other shards. */
function isOneShard(product: Units, movements: Movement[]): boolean {
  return product.shards === 1 && movements.every((it) => it.shard === 0)
}

/** Whether the ledger may lack the latest movements: they appear seconds after the change. */
export function isBehind(product: Units, movements: Movement[]): boolean {
  const [latest] = movements
  if (!latest || !isOneShard(product, movements)) return true
  return latest.available.after !== product.available || latest.reserved.after !== product.reserved
}

/**
 * The units available and on hand over time, up to `until` (milliseconds). `movements` are the latest, newest first.
 * A movement has the units of its shard alone: for several shards, the levels are counted back from the current ones.
 */
export function stepsOf(product: Units, movements: Movement[], until: number): Steps {
  const [latest] = movements
  const steps: Steps = { times: [], main: [], other: [] }
  if (!latest) return steps
  const single = isOneShard(product, movements)
  let available = single ? latest.available.after : product.available
  let onHand = available + (single ? latest.reserved.after : product.reserved)
  const last = new Date(latest.at).getTime()
  add(steps, Math.max(until, last + 1000) / 1000, available, onHand)
  for (const movement of movements) {
    add(steps, new Date(movement.at).getTime() / 1000, available, onHand)
    const change = changeOf(movement)
    available -= change.available
    onHand -= change.onHand
  }
  return { times: steps.times.reverse(), main: steps.main.reverse(), other: steps.other.reverse() }
}

/** Adds the levels from a time on. Of movements of the same moment, the last one counts, which comes first. */
function add(steps: Steps, time: number, available: number, onHand: number): void {
  if (steps.times.at(-1) === time) return
  steps.times.push(time)
  steps.main.push(available)
  steps.other.push(onHand)
}

/** What an adjustment would leave, and whether enough units are available for it. */
export function adjusted(product: Pick<Product, 'available' | 'on_hand'>, by: number) {
  return {
    available: product.available + by,
    onHand: product.on_hand + by,
    isEnough: product.available + by >= 0,
  }
}

/** The change that was typed: 10, +10, −3 or -3; null if it is 0 or not a whole number. */
export function adjustmentOf(typed: string): number | null {
  const text = typed.trim().replace(/^[−–]/, '-')
  if (!/^[+-]?\d{1,10}$/.test(text)) return null
  return Number(text) || null
}
