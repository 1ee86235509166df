/** The products of the API: read, changed, and updated in the cache. */

import type { InfiniteData } from '@tanstack/react-query'
import { api, body, ifMatch, type Page, type Product, type Schemas, writing } from '~/api/client'
import { queries } from '~/api/queries'
import { given } from '~/api/query'
import type { operations } from '~/api/schema'
import { readTopProducts } from '~/pages/home/overview'
import { type Rates, ratesOf, runsOutSoon } from './cover'
import { type ProductsSearch, productQuery, STATUSES, viewQuery } from './query'

export type Change = Schemas['UpdateProductRequest']
export type NewProduct = Schemas['CreateProductRequest']
export type Movement = Schemas['MovementResponse']
export type Stock = Schemas['StockResponse']
type Figures = Pick<Stock, 'on_hand' | 'available' | 'reserved' | 'stock_version'>
export type ProductStatus = Schemas['ProductStatus']

const MOST_CATEGORY_PAGES = 10
const SKU = /^[\x21-\x7e]{1,64}$/

export async function readProduct(id: string): Promise<Product> {
  const params = { path: { product_id: id } }
  return (await body(api.GET('/api/v1/inventory/products/{product_id}', { params }))) as Product
}

type ProductQuery = NonNullable<operations['list_products']['parameters']['query']>

async function list(query: ProductQuery): Promise<Page<Product>> {
  return (await body(api.GET('/api/v1/inventory/products', { params: { query } }))) as Page<Product>
}

/**
 * Reads a page of products. The API finds either SKUs or names that begin with a text: here the SKUs come first, and
 * then the names. The cursor says which: `sku:…` or `name:…`.
 */
async function readView(search: ProductsSearch, cursor?: string): Promise<Page<Product>> {
  const { q, category } = search
  if (!q) return list(productQuery(search, cursor))
  const filters = viewQuery(search)
  const [part, rest] = cursor ? splitCursor(cursor) : [SKU.test(q) ? 'sku' : 'name', '']
  const at = given({ cursor: rest })
  if (part === 'name') {
    const page = await list({ ...filters, ...given({ category }), q, ...at })
    const items = page.items.filter((it) => !isSkuFound(it, q))
    return { items, next_cursor: page.next_cursor && `name:${page.next_cursor}` }
  }
  const page = await list({ ...filters, sku: q, ...at })
  // The API has no SKUs within a category.
  const items = page.items.filter((it) => !category || it.category === category)
  return { items, next_cursor: page.next_cursor ? `sku:${page.next_cursor}` : 'name:' }
}

/** The sales of the products that the home page shows too. `today` is a day such as 2026-11-29. */
export async function readRates(today: string): Promise<Rates> {
  const queryFn = () => readTopProducts(today)
  return ratesOf(await queries.fetchQuery({ queryKey: ['sales', 'top', today], queryFn }))
}

/** Reads a page of products. Of those that run out soon it may have none, as the API does not filter by that. */
export async function readProducts(
  search: ProductsSearch,
  today: string,
  cursor?: string,
): Promise<Page<Product>> {
  const page = await readView(search, cursor)
  if (search.view !== 'soon') return page
  const rates = await readRates(today)
  return { ...page, items: page.items.filter((it) => runsOutSoon(it, rates)) }
}

/** Returns the first products whose SKU or name begins with a text. */
export async function searchProducts(q: string, limit: number): Promise<Product[]> {
  const query = { status: STATUSES, limit }
  const [bySku, byName] = await Promise.all([
    SKU.test(q) ? list({ ...query, sku: q }) : { items: [] },
    list({ ...query, q }),
  ])
  return [...bySku.items, ...byName.items.filter((it) => !isSkuFound(it, q))].slice(0, limit)
}

function splitCursor(cursor: string): [string, string] {
  const place = cursor.indexOf(':')
  return [cursor.slice(0, place), cursor.slice(place + 1)]
}

function isSkuFound(product: Product, q: string): boolean {
  return SKU.test(q) && product.sku.toLowerCase().startsWith(q.toLowerCase())
}

/** Returns the product with exactly this SKU and its current stock, or null. */
export async function readSku(sku: string): Promise<Product | null> {
  const found = await findSku(sku)
  return found && readProduct(found.id)
}

/** Returns the product with exactly this SKU, in upper or lower case, or null. */
export async function findSku(sku: string): Promise<Product | null> {
  if (!SKU.test(sku)) return null
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page: Page<Product> = await list({ sku, status: STATUSES, limit: 5, ...given({ cursor }) })
    const found = page.items.find((it) => it.sku.toLowerCase() === sku.toLowerCase())
    // The exact one is the first of those that begin with it.
    if (found || page.items.length) return found ?? null
    cursor = page.next_cursor
  }
  return null
}

export async function readCategories(): Promise<Schemas['CategoryResponse'][]> {
  const found: Schemas['CategoryResponse'][] = []
  let cursor: string | null = null
  for (let pages = 0; pages < MOST_CATEGORY_PAGES; pages++) {
    const query: { limit: number; cursor?: string } = { limit: 100, ...given({ cursor }) }
    const page: Schemas['CategoryList'] = await body(
      api.GET('/api/v1/inventory/categories', { params: { query } }),
    )
    found.push(...page.items)
    cursor = page.next_cursor
    if (!cursor) break
  }
  return found
}

export async function createProduct(product: NewProduct, key: string): Promise<Product> {
  const params = { header: writing(key) }
  return body(api.POST('/api/v1/inventory/products', { params, body: product }))
}

/** Changes a product of the version that the user saw. */
export async function changeProduct(id: string, version: number, change: Change): Promise<Product> {
  const params = { path: { product_id: id }, header: ifMatch(version) }
  return body(api.PATCH('/api/v1/inventory/products/{product_id}', { params, body: change }))
}

export async function setShards(id: string, version: number, shards: number): Promise<Product> {
  const params = { path: { product_id: id }, header: ifMatch(version) }
  return body(api.PUT('/api/v1/inventory/products/{product_id}/shards', { params, body: { shards } }))
}

export async function adjustStock(
  id: string,
  adjustment: number,
  reason: string,
  key: string,
): Promise<Stock> {
  const params = { path: { product_id: id }, header: writing(key) }
  const answer = api.PATCH('/api/v1/inventory/products/{product_id}/stock', {
    params,
    body: { adjustment, reason },
  })
  return body(answer)
}

export async function readMovements(id: string, cursor?: string): Promise<Page<Movement>> {
  const params = { path: { product_id: id }, query: { limit: 50, ...given({ cursor }) } }
  return body(api.GET('/api/v1/inventory/products/{product_id}/movements', { params }))
}

export type StockRow = Schemas['StockRow']
export type StockOutcome = Schemas['StockOutcome']

/** Adjusts or counts up to 100 products, each once for this key. */
export async function changeStocks(items: StockRow[], key: string): Promise<StockOutcome[]> {
  const params = { header: writing(key) }
  return (await body(api.PATCH('/api/v1/inventory/stock', { params, body: { items } }))).items
}

/** Updates a changed product in each list that was read before. */
export function keep(product: Product): void {
  queries.setQueryData(['product', product.id], product)
  keepInLists(product.id, () => product)
}

function keepInLists(id: string, changed: (product: Product) => Product): void {
  queries.setQueriesData<InfiniteData<Page<Product>>>(
    { queryKey: ['products'] },
    (data) =>
      data && {
        ...data,
        pages: data.pages.map((page) => ({
          ...page,
          items: page.items.map((it) => (it.id === id ? changed(it) : it)),
        })),
      },
  )
}

/** Updates the stock of a product in all that was read before. */
export function keepStock(id: string, { on_hand, available, reserved, stock_version }: Figures): void {
  const changed = (product: Product) => ({ ...product, on_hand, available, reserved, stock_version })
  queries.setQueryData<Product>(['product', id], (known) => known && changed(known))
  keepInLists(id, changed)
}

export type Level = 'out' | 'low' | 'enough'

export function levelOf(product: Pick<Product, 'available' | 'low_stock_threshold'>): Level {
  const { available, low_stock_threshold: low } = product
  if (available === 0) return 'out'
  return low !== null && available <= low ? 'low' : 'enough'
}
