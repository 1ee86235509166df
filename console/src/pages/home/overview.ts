/** What the first page shows, from sums of the API: four calls. */

import { api, body, type Order, type Page, type Schemas } from '~/api/client'
import { daysBefore } from '~/format/time'
import type { Series } from '~/ui/Chart'

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

/** What waits for the shop. Counts above `MOST` are not exact for managers: `more` says so. */
export type ToDo = {
  toConfirm: number
  toShip: number
  more: boolean
  failedDeliveries: number | null
  deadLetters: number | null
}

const MOST = 100

/** Managers have no counts of orders by status, so that one page of these orders is counted. */
export async function readToDo(admin: boolean): Promise<ToDo> {
  if (admin) {
    const stats = await body(api.GET('/api/v1/admin/stats'))
    return {
      toConfirm: stats.orders.pending,
      toShip: stats.orders.confirmed,
      more: false,
      failedDeliveries: stats.deliveries.failed,
      deadLetters: stats.queues.reduce((sum, queue) => sum + queue.dead_letters, 0),
    }
  }
  const query = { status: ['pending' as const, 'confirmed' as const], limit: MOST }
  const page = (await body(api.GET('/api/v1/orders', { params: { query } }))) as Page<Order>
  const pending = page.items.filter((it) => it.status === 'pending').length
  return {
    toConfirm: pending,
    toShip: page.items.length - pending,
    more: page.next_cursor !== null,
    failedDeliveries: null,
    deadLetters: null,
  }
}

type Figure = 'orders' | 'revenue'

/** The days of both spans side by side; days without sales are zeros. */
export function compare(report: SalesReport, today: string, figure: Figure): Required<Series> {
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
