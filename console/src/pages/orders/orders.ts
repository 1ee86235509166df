import { api, body, newKey, type Order, type OrderStatus, type Page, writing } from '~/api/client'
import { given } from '~/api/query'
import { type OrdersSearch, statusesOf } from '~/router'

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

export async function readOrders(search: OrdersSearch, cursor?: string): Promise<Page<Order>> {
  const status = statusesOf(search)
  const query = {
    limit: 50,
    ...given({
      cursor,
      status: status.length ? status : undefined,
      from: search.from,
      to: search.to,
      customer_id: search.customer,
    }),
  }
  return (await body(api.GET('/api/v1/orders', { params: { query } }))) as Page<Order>
}

export async function readOrder(id: string): Promise<Order> {
  return (await body(api.GET('/api/v1/orders/{order_id}', { params: { path: { order_id: id } } }))) as Order
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
  const customer = order.customer
  if (!customer) return order.shipping_address?.name ?? ''
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
