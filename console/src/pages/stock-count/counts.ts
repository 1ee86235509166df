/**
 * The products that were counted in this tab, newest first, and their adjustments, which are sent one after the other
 * while the next product is being scanned. The list survives a reload of the page and a visit of other pages.
 */

import { useSyncExternalStore } from 'react'
import { newKey, type Product } from '~/api/client'
import { Problem } from '~/api/problem'
import { reread } from '~/api/queries'
import { currentUser } from '~/session/session'
import { adjustStock, keepStock, readProduct } from '../products/products'

export type Outcome = 'saving' | 'right' | 'adjusted' | 'failed' | 'undoing' | 'undone'

/** `seen` is the system's count when the product was scanned, `before` when it was adjusted, `after` afterwards. */
export type Line = {
  id: string
  productId: string
  sku: string
  name: string
  seen: number
  counted: number
  outcome: Outcome
  before?: number
  after?: number
  reserved?: number
  /** The adjustment that was sent last. It stays while its outcome is unknown, so that a repetition is the same. */
  sent?: { by: number; key: string } | undefined
  undoKey?: string
  problem?: { code: string; text: string } | undefined
}

const STORED = 'oms.counted'
const listeners = new Set<() => void>()
let owner: string | undefined
let lines: Line[] = []
// Each adjustment waits for the one before, so that a product that is counted twice is adjusted in order.
let queue: Promise<unknown> = Promise.resolve()

function stored(): string {
  return `${STORED}.${owner}`
}

/** The lines of the current user. */
function current(): Line[] {
  const user = currentUser()?.id
  if (user !== owner) {
    owner = user
    try {
      lines = (JSON.parse(sessionStorage.getItem(stored()) ?? '[]') as Line[]).map(interrupted)
    } catch {
      lines = []
    }
  }
  return lines
}

/** A line whose request was under way when the page was left: it is not known whether it succeeded. */
export function interrupted(line: Line): Line {
  if (line.outcome === 'saving') return { ...line, outcome: 'failed' }
  return line.outcome === 'undoing' ? { ...line, outcome: 'adjusted' } : line
}

function become(next: Line[]): void {
  lines = next
  sessionStorage.setItem(stored(), JSON.stringify(lines))
  for (const listener of listeners) listener()
}

function put(id: string, part: Partial<Line>): void {
  become(lines.map((it) => (it.id === id ? { ...it, ...part } : it)))
}

export function useLines(): Line[] {
  return useSyncExternalStore((listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, current)
}

export function clear(): void {
  become(current().filter((it) => it.outcome === 'saving' || it.outcome === 'undoing'))
}

/** Waits until everything that was counted so far is saved or has failed. */
export function settled(): Promise<unknown> {
  return queue
}

type Reasons = { count: string; undo: string }

export function add(product: Product, counted: number, reasons: Reasons): void {
  const { id: productId, sku, name, on_hand: seen } = product
  const line: Line = { id: newKey(), productId, sku, name, seen, counted, outcome: 'saving' }
  become([line, ...current()])
  enqueue(line.id, (it) => save(it, reasons.count))
}

export function again(line: Line, reasons: Reasons): void {
  put(line.id, { outcome: 'saving', problem: undefined })
  enqueue(line.id, (it) => save(it, reasons.count))
}

export function undo(line: Line, reasons: Reasons): void {
  put(line.id, { outcome: 'undoing', problem: undefined })
  enqueue(line.id, (it) => reverse(it, reasons.undo))
}

function enqueue(id: string, work: (line: Line) => Promise<Partial<Line>>): void {
  queue = queue.then(async () => {
    const line = lines.find((it) => it.id === id)
    if (line) put(id, await work(line))
  })
}

/** Adjusts the stock by the difference to the units on hand immediately before. */
async function save(line: Line, reason: string): Promise<Partial<Line>> {
  let { sent } = line
  try {
    const product = await readProduct(line.productId)
    const { on_hand: before, reserved } = product
    sent ??= { by: line.counted - before, key: newKey() }
    // A repetition sends the same request: the API knows by the key whether it took effect.
    const known = { before: line.before ?? before, reserved, sent }
    if (!sent.by) return { ...known, after: before, outcome: 'right' }
    put(line.id, known)
    const stock = await adjustStock(line.productId, sent.by, reason, sent.key)
    keepStock(product, stock)
    void reread('movements', line.productId)
    return { ...known, after: stock.on_hand, outcome: 'adjusted' }
  } catch (error) {
    return {
      outcome: 'failed',
      problem: problemOf(error),
      ...(isUnknown(error) ? { sent } : { sent: undefined }),
    }
  }
}

async function reverse(line: Line, reason: string): Promise<Partial<Line>> {
  const undoKey = line.undoKey ?? newKey()
  try {
    const stock = await adjustStock(line.productId, -(line.sent?.by ?? 0), reason, undoKey)
    void reread('product', line.productId)
    void reread('movements', line.productId)
    return { outcome: 'undone', after: stock.on_hand }
  } catch (error) {
    return { outcome: 'adjusted', problem: problemOf(error), undoKey }
  }
}

/** Whether a request may have taken effect although it failed. */
function isUnknown(error: unknown): boolean {
  return !(error instanceof Problem) || error.status === 0 || error.status >= 500 || error.status === 429
}

function problemOf(error: unknown): { code: string; text: string } {
  return error instanceof Problem
    ? { code: error.code, text: error.message }
    : { code: 'unknown', text: String(error) }
}

/** A count as it was typed, or null if it is none. */
export function countOf(typed: string): number | null {
  const text = typed.trim()
  return /^\d{1,9}$/.test(text) ? Number(text) : null
}

/** Whether a count is so far off that a code may have been scanned in its place. */
export function isUnusual(counted: number, system: number): boolean {
  return counted > 1000 && counted > 10 * system
}

/** What moved the stock while the product was being counted, or at the moment of its adjustment. */
export function surprises(line: Line): { moved: boolean; crossed: boolean } {
  const { seen, before, after, counted, outcome } = line
  const isSaved = outcome === 'adjusted' || outcome === 'right'
  return {
    moved: isSaved && before !== undefined && before !== seen,
    crossed: outcome === 'adjusted' && after !== undefined && after !== counted,
  }
}
