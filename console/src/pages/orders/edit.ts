/** An order's fields as they are typed, and what differs from the order. */

import { api, body, type Order, type Schemas, writing } from '~/api/client'
import { linesOf } from './address'

const ADDRESS_FIELDS = [
  'name',
  'company',
  'line1',
  'line2',
  'postal_code',
  'city',
  'region',
  'country',
  'phone',
] as const
export type AddressField = (typeof ADDRESS_FIELDS)[number]
export type AddressName = 'shipping_address' | 'billing_address'
type AddressDraft = Record<AddressField, string>
export type Draft = Record<AddressName, AddressDraft> & Record<'note' | 'purchase_order' | 'tags', string>
export type EditedField = keyof Draft
export type Changes = Schemas['UpdateOrderRequest']
/** A field that will change, with its text before and after; an empty text means none. */
export type Difference = { field: EditedField; before: string; after: string }

export const FIELDS: EditedField[] = ['shipping_address', 'billing_address', 'note', 'purchase_order', 'tags']
const EDITABLE = ['pending', 'confirmed']

/** Whether the API still takes changes of managers: until the order is shipped. */
export function isEditable(order: Order): boolean {
  return EDITABLE.includes(order.status)
}

function addressDraft(read: (field: AddressField) => unknown): AddressDraft {
  const fields = ADDRESS_FIELDS.map((it) => [it, String(read(it) ?? '').trim()])
  return Object.fromEntries(fields) as AddressDraft
}

export function draftOf(order: Order): Draft {
  return {
    shipping_address: addressDraft((it) => order.shipping_address?.[it]),
    billing_address: addressDraft((it) => order.billing_address?.[it]),
    note: order.note ?? '',
    purchase_order: order.purchase_order ?? '',
    tags: order.tags.join(', '),
  }
}

/** The draft of a form whose fields of addresses are named as `shipping_address.city`. */
export function draftFrom(form: FormData): Draft {
  const text = (name: string) => String(form.get(name) ?? '').trim()
  return {
    shipping_address: addressDraft((it) => form.get(`shipping_address.${it}`)),
    billing_address: addressDraft((it) => form.get(`billing_address.${it}`)),
    note: text('note'),
    purchase_order: text('purchase_order'),
    tags: text('tags'),
  }
}

/** Tags in the form of the API: lower case, sorted, each once. */
function tagsOf(text: string): string[] {
  const tags = text.split(',').map((it) => it.trim().replaceAll(/\s+/g, ' ').toLowerCase())
  return [...new Set(tags.filter(Boolean))].sort()
}

/** An address of the API; null if nothing was typed. */
function addressOf(draft: AddressDraft): Changes['shipping_address'] {
  const { name, line1, city, country } = draft
  if (Object.values(draft).every((it) => !it)) return null
  const optional = Object.entries(draft).map(([field, it]) => [field, it || null])
  return { ...Object.fromEntries(optional), name, line1, city, country: country.toUpperCase() }
}

/** What was typed, in the form of the API. */
function valuesOf(draft: Draft) {
  return {
    shipping_address: addressOf(draft.shipping_address),
    billing_address: addressOf(draft.billing_address),
    note: draft.note.replaceAll('\r\n', '\n') || null,
    purchase_order: draft.purchase_order || null,
    tags: tagsOf(draft.tags),
  }
}

/** The fields that were changed by hand since the order was opened: others' changes of further fields stay. */
export function changesOf(opened: Order, draft: Draft): Changes {
  const [before, after] = [valuesOf(draftOf(opened)), valuesOf(draft)]
  const changed = FIELDS.filter((it) => JSON.stringify(before[it]) !== JSON.stringify(after[it]))
  return Object.fromEntries(changed.map((it) => [it, after[it]]))
}

function textOf(field: EditedField, value: unknown): string {
  if (field === 'tags') return (value as string[]).join(', ')
  if (field === 'note' || field === 'purchase_order') return (value as string | null) ?? ''
  const address = value as Order['shipping_address']
  return address ? [...linesOf(address), address.phone ?? ''].filter(Boolean).join('\n') : ''
}

/** What the changes would replace in the current order. */
export function differences(current: Order, changes: Changes): Difference[] {
  return FIELDS.filter((it) => it in changes).map((field) => ({
    field,
    before: textOf(field, current[field]),
    after: textOf(field, changes[field]),
  }))
}

/** Changes an order of the version that the user saw. `key` makes repetition safe. */
export async function editOrder(order: Order, changes: Changes, key: string): Promise<Order> {
  const params = { path: { order_id: order.id }, header: writing(key, order.version) }
  return (await body(api.PATCH('/api/v1/orders/{order_id}', { params, body: changes }))) as Order
}
