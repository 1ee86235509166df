/** How long stock lasts at the sales of the last days. */

import type { Product, Schemas } from '~/api/client'

/** The days of the sales report that the rates are from. */
export const DAYS = 30
/** A product runs out soon if it lasts less than this. */
export const SOON_DAYS = 7

/** Units sold in a day on average, by product id. */
export type Rates = ReadonlyMap<string, number>

export function ratesOf(report: Schemas['SalesReport']): Rates {
  return new Map(report.series.map((it) => [it.key, it.units / DAYS]))
}

/** The whole days for which these units last, or null for a product that was not sold. */
export function daysLeft(id: string, available: number, rates: Rates): number | null {
  const rate = rates.get(id) ?? 0
  return rate > 0 ? Math.floor(available / rate) : null
}

export function runsOutSoon(product: Pick<Product, 'id' | 'available'>, rates: Rates): boolean {
  const days = daysLeft(product.id, product.available, rates)
  return days !== null && days < SOON_DAYS
}
