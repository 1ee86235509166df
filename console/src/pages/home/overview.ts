/** What the first page shows, from sums of the API: four calls. */

import { api, body, type Order, type Page, type Schemas } from '~/api/client'
import { daysBefore } from '~/format/time'

export const DAYS = 30
type SalesReport = Schemas['SalesReport']

/** Sales by day of the last `DAYS` days and of as many before them. `to` is today, as 2026-11-29. */
export async function readSales(today: string): Promise<SalesReport> {
  const query = { from: daysBefore(today, 2 * DAYS - 1), to: today, group_by: 'day' as const }
  return body(api.GET('/api/v1/reports/sales', { params: { query } }))
}

export async function readTopProducts(today: string): Promise<SalesReport> {
  const query = { from: daysBefore(today, DAYS - 1), to: today, group_by: 'product' as const }
  return body(api.GET('/api/v1/reports/sales', { params: { query } }))
}

export async function readInventory(): Promise<Schemas['InventoryReport']> {
  return body(api.GET('/api/v1/reports/inventory'))
}

/** A count, or the least that it is if there are `more`. */
export type Count = { least: number; more: boolean }

/** What waits for the shop. Deliveries and dead letters are counted for admins alone. */
export type ToDo = { toConfirm: Count; toShip: Count; failedDeliveries: number; deadLetters: number }

const MOST = 100

const exactly = (count: number): Count => ({ least: count, more: false })

async function readOpen(status: ('pending' | 'confirmed')[]): Promise<Page<Order>> {
  const query = { status, limit: MOST }
  return (await body(api.GET('/api/v1/orders', { params: { query } }))) as Page<Order>
}

async function count(status: 'pending' | 'confirmed'): Promise<Count> {
  const page = await readOpen([status])
  return { least: page.items.length, more: page.next_cursor !== null }
}

/**
 * Managers have no counts of orders by status, so that one page of open orders is counted: a page of each status if
 * there are more.
 */
export async function readToDo(admin: boolean): Promise<ToDo> {
  if (admin) {
    const stats = await body(api.GET('/api/v1/admin/stats'))
    return {
      toConfirm: exactly(stats.orders.pending),
      toShip: exactly(stats.orders.confirmed),
      failedDeliveries: stats.deliveries.failed,
      deadLetters: stats.queues.reduce((sum, queue) => sum + queue.dead_letters, 0),
    }
  }
  const page = await readOpen(['pending', 'confirmed'])
  const pending = page.items.filter((it) => it.status === 'pending').length
  const [toConfirm, toShip] = page.next_cursor
    ? await Promise.all([count('pending'), count('confirmed')])
    : [exactly(pending), exactly(page.items.length - pending)]
  return { toConfirm, toShip, failedDeliveries: 0, deadLetters: 0 }
}

type Figure = 'orders' | 'revenue'

/** The days of both spans side by side; days without sales are zeros. */
export function compare(
  report: SalesReport,
  today: string,
  figure: Figure,
): { days: string[]; now: number[]; before: number[] } {
  const byDay = new Map(report.series.map((it) => [it.key, Number(it[figure])]))
  const span = (end: string) => Array.from({ length: DAYS }, (_, place) => daysBefore(end, DAYS - 1 - place))
  const days = span(today)
  return {
    days,
    now: days.map((it) => byDay.get(it) ?? 0),
    before: span(daysBefore(today, DAYS)).map((it) => byDay.get(it) ?? 0),
  }
}

export function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
