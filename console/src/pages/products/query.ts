/** What a list of products asks of the API. With few modules, since the entry begins to read the first page. */

import type { Schemas } from '~/api/client'
import { given, urlOf } from '~/api/query'

export type ProductsSearch = { q?: string; view?: string; category?: string; sort?: string }

export const STATUSES: Schemas['ProductStatus'][] = ['active', 'archived']
const PAGE = 50
const MOST = 100

type View = { status: Schemas['ProductStatus'][]; low_stock?: boolean; in_stock?: boolean }

/** The filters of the views, which the address names. */
const VIEWS: Record<string, View> = {
  low: { status: ['active'], low_stock: true },
  out: { status: ['active'], in_stock: false },
  soon: { status: ['active'], in_stock: true },
  archived: { status: ['archived'] },
}

/** The parameters of the API for the view of a search, without what it searches for. */
export function viewQuery({ view }: ProductsSearch) {
  return { limit: view === 'soon' ? MOST : PAGE, ...(VIEWS[view ?? ''] ?? { status: STATUSES }) }
}

/** The parameters of the API for a page of the list of a search without `q`. */
export function productQuery(search: ProductsSearch, cursor?: string) {
  const { category } = search
  const sort = search.sort as Schemas['ProductSort'] | undefined
  return { ...viewQuery(search), ...given({ category, sort, cursor }) }
}

/** The path of the first page, or null for a search with `q`, which is several requests. */
export function firstPage(search: ProductsSearch): string | null {
  return search.q ? null : urlOf('/api/v1/inventory/products', productQuery(search))
}
