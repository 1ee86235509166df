import type { InfiniteData } from '@tanstack/react-query'
import { api, body, newKey, type Order, type OrderStatus, type Page, writing } from '~/api/client'
import { queries, reread } from '~/api/queries'
import { keepMatches, type Searched } from './find'
import { isCompared, type OrdersSearch, orderQuery, statusesOf } from './query'

export type Move = 'confirm' | 'ship' | 'deliver' | 'cancel' | 'return'

/** The moves that the API allows from a status, the usual one first. */
export const MOVES: Record<OrderStatus, Move[]> = {
  pending: ['confirm', 'cancel'],
  confirmed: ['ship', 'cancel'],
  shipped: ['deliver', 'return'],
  delivered: ['return'],
  returned: [],
  cancelled: [],
  expired: [],
}

/** Reads a page of orders. Of those that are compared with `q` it has only those that match; it may then be empty. */
export async function readOrders(search: OrdersSearch, cursor?: string): Promise<Searched> {
  const query = orderQuery(search, cursor)
  const page = (await body(api.GET('/api/v1/orders', { params: { query } }))) as Page<Order>
  return search.q && isCompared(search) ? keepMatches(page, search.q) : page
}

/** Returns the newest orders with this number, id, e-mail address, SKU, tracking number or tag. */
export async function findOrders(q: string, limit: number): Promise<Order[]> {
  const query = { q, limit }
  return ((await body(api.GET('/api/v1/orders', { params: { query } }))) as Page<Order>).items
}

export async function readOrder(id: string): Promise<Order> {
  return (await body(api.GET('/api/v1/orders/{order_id}', { params: { path: { order_id: id } } }))) as Order
}

/** Updates moved orders in each list that was read before, and has the figures read again that they change. */
export function keepMoved(orders: Order[]): void {
  if (!orders.length) return
  const moved = new Map(orders.map((it) => [it.id, it]))
  for (const order of orders) queries.setQueryData(['order', order.id], order)
  for (const [key, data] of queries.getQueriesData<InfiniteData<Page<Order>>>({ queryKey: ['orders'] })) {
    if (!data?.pages) continue
    const statuses = statusesOf((key[1] ?? {}) as OrdersSearch)
    const pages = data.pages.map((page) => ({
      ...page,
      items: page.items
        .map((it) => moved.get(it.id) ?? it)
        .filter((it) => !moved.has(it.id) || !statuses.length || statuses.includes(it.status)),
    }))
    queries.setQueryData(key, { ...data, pages })
  }
  for (const name of ['order', 'orders', 'products', 'product', 'inventory', 'sales']) void reread(name)
}

/** Moves an order of the version that the user saw. `key` makes repetition safe. */
export async function move(
  order: Pick<Order, 'id' | 'version'>,
  to: Move,
  details: Record<string, unknown> = {},
  key: string = newKey(),
): Promise<Order> {
  const params = { path: { order_id: order.id }, header: writing(key, order.version) }
  const answer = api.POST(`/api/v1/orders/{order_id}/${to}` as '/api/v1/orders/{order_id}/ship', {
    params,
    body: details as never,
  })
  return (await body(answer)) as Order
}

export function unitsOf(order: Order): number {
  return order.items.reduce((sum, line) => sum + line.quantity, 0)
}

export function nameOf(order: Order): string {
  const { customer, contact } = order
  if (!customer) return contact?.name ?? contact?.email ?? order.shipping_address?.name ?? ''
  return [customer.first_name, customer.last_name].filter(Boolean).join(' ') || customer.email
}

/** Does `work` for each item, at most `width` at once, and returns which succeeded. */
export async function each<Item>(items: Item[], width: number, work: (item: Item) => Promise<unknown>) {
  const outcomes: { item: Item; error: unknown }[] = []
  const left = [...items]
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      const current = item
      outcomes.push({
        item: current,
        error: await work(current).then(
          () => null,
          (error) => error,
        ),
      })
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  return outcomes
}
