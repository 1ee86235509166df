/**
 * The products that were counted in this tab, newest first. Counts are sent while the next product is being scanned: all
 * that are waiting in one request. The list survives a reload of the page and a visit of other pages.
 */

import { useSyncExternalStore } from 'react'
import { newKey, type Product } from '~/api/client'
import { Problem } from '~/api/problem'
import { reread } from '~/api/queries'
import { given } from '~/api/query'
import { currentUser } from '~/session/session'
import { adjustStock, changeStocks, keepStock, type StockOutcome, type StockRow } from '../products/products'

export type Outcome = 'saving' | 'right' | 'adjusted' | 'failed' | 'undoing' | 'undone'

/**
 * `seen` is the system's count when the product was scanned, `before` and `after` when the count was saved. `version` is
 * that of the stock for which the user decided.
 */
export type Line = {
  id: string
  productId: string
  sku: string
  name: string
  seen: number
  counted: number
  version?: number | undefined
  outcome: Outcome
  before?: number
  after?: number
  reserved?: number
  /** The units that the count added. */
  by?: number
  /** The key that was sent last. It stays while the outcome is unknown, so that a repetition is the same. */
  sentKey?: string | undefined
  undoKey?: string
  problem?: { code: string; text: string } | undefined
}

/** The code of a count whose stock has changed since the product was scanned. */
export const CHANGED = 'stock-changed'
const STORED = 'oms.counts'
const listeners = new Set<() => void>()
let owner: string | undefined
let lines: Line[] = []
// Each request waits for the one before, so that a product that is counted twice gets the later count.
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
  const { id: productId, sku, name, on_hand: seen, stock_version: version } = product
  const line: Line = { id: newKey(), productId, sku, name, seen, version, counted, outcome: 'saving' }
  become([line, ...current()])
  enqueue(() => saveWaiting(reasons.count))
}

export function again(line: Line, reasons: Reasons): void {
  put(line.id, { outcome: 'saving', problem: undefined })
  enqueue(() => saveWaiting(reasons.count))
}

export function undo(line: Line, reasons: Reasons): void {
  put(line.id, { outcome: 'undoing', problem: undefined })
  enqueue(async () => {
    const current = lines.find((it) => it.id === line.id)
    if (current) put(line.id, await reverse(current, reasons.undo))
  })
}

function enqueue(work: () => Promise<void>): void {
  queue = queue.then(work)
}

/** The most products of a request. */
const MOST = 100

/**
 * The lines of the next request, of those that wait, oldest first: each of another product. A line that may have been
 * sent before is repeated with the key of that time, so with no others.
 */
export function nextRequest(waiting: Line[]): Line[] {
  const request = new Map<string, Line>()
  for (const line of waiting) {
    const isOfRequest = line.sentKey === waiting[0]?.sentKey && !request.has(line.productId)
    if (isOfRequest && request.size < MOST) request.set(line.productId, line)
  }
  return [...request.values()]
}

/** Sends a request with the lines that wait, if there are any: an earlier one may have had all. */
async function saveWaiting(reason: string): Promise<void> {
  const request = nextRequest(lines.filter((it) => it.outcome === 'saving').reverse())
  if (!request.length) return
  const key = request[0]?.sentKey ?? newKey()
  for (const { id } of request) put(id, { sentKey: key })
  try {
    const rows = request.map((it) => rowOf(it, reason))
    const outcomes = await changeStocks(rows, key)
    request.forEach((line, place) => {
      const outcome = outcomes[place]
      if (outcome) put(line.id, saved(line, outcome))
    })
    // An order has reserved units meanwhile: the stock has another version, and as many units on the shelf.
    if (lines.some((it) => it.outcome === 'saving')) enqueue(() => saveWaiting(reason))
  } catch (error) {
    const failed = { outcome: 'failed' as const, problem: problemOf(error) }
    for (const { id } of request) put(id, isUnknown(error) ? failed : { ...failed, sentKey: undefined })
  }
}

function rowOf({ productId, counted, version }: Line, reason: string): StockRow {
  return { product_id: productId, on_hand: counted, ...given({ if_version: version }), reason }
}

/** Returns the changes of a line by its outcome. Keeps the new stock of the product. */
export function saved(line: Line, outcome: StockOutcome): Partial<Line> {
  const { product_id, on_hand, available, reserved, stock_version } = outcome
  const isKnown = on_hand !== null && available !== null && reserved !== null && stock_version !== null
  if (isKnown) keepStock(product_id, { on_hand, available, reserved, stock_version })
  else void reread('product', product_id)
  const figures = given({ before: on_hand, reserved })
  if (outcome.status === 'failed') return { ...figures, ...refused(line, outcome) }
  const by = outcome.adjustment ?? 0
  if (by) void reread('movements', product_id)
  return {
    ...figures,
    outcome: by ? 'adjusted' : 'right',
    by,
    ...(on_hand !== null && { before: on_hand - by, after: on_hand }),
    sentKey: undefined,
  }
}

/** A refused count. If only reserved units have changed, it is sent again, for the new version of the stock. */
function refused(line: Line, { code, detail, on_hand, stock_version }: StockOutcome): Partial<Line> {
  const isChanged = code === CHANGED && stock_version !== null
  const next = { ...(isChanged && { version: stock_version }), sentKey: undefined }
  if (isChanged && on_hand === line.seen) return { ...next, outcome: 'saving' }
  const failed = { outcome: 'failed' as const, problem: { code: code ?? '', text: detail ?? '' } }
  return code === 'unavailable' ? failed : { ...failed, ...next }
}

async function reverse(line: Line, reason: string): Promise<Partial<Line>> {
  const undoKey = line.undoKey ?? newKey()
  try {
    const stock = await adjustStock(line.productId, -(line.by ?? 0), reason, undoKey)
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
