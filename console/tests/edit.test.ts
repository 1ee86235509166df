import { describe, expect, it } from 'vitest'
import type { Order } from '~/api/client'
import { changesOf, differences, draftFrom, draftOf } from '~/pages/orders/edit'

const address = {
  name: 'Ada Moreau',
  company: null,
  line1: 'Rue de la Paix 1',
  line2: null,
  city: 'Paris',
  postal_code: '75002',
  region: null,
  country: 'FR',
  phone: null,
}
const order = {
  id: '1',
  version: 3,
  status: 'pending',
  shipping_address: address,
  billing_address: null,
  note: 'Gate\ncode 12',
  purchase_order: null,
  tags: ['gift', 'vip'],
} as unknown as Order

describe('an edit of an order', () => {
  it('has nothing to send if nothing was changed, however it was typed', () => {
    expect(changesOf(order, draftOf(order))).toEqual({})
    const typed = { ...draftOf(order), tags: ' VIP , Gift,gift', note: 'Gate\r\ncode 12' }
    expect(changesOf(order, typed)).toEqual({})
  })

  it('sends a changed address as a whole, and null for an emptied field', () => {
    const draft = draftOf(order)
    const typed = {
      ...draft,
      shipping_address: { ...draft.shipping_address, city: 'Lyon', postal_code: '', country: 'fr' },
      note: '',
      tags: '',
    }
    expect(changesOf(order, typed)).toEqual({
      shipping_address: { ...address, city: 'Lyon', postal_code: null },
      note: null,
      tags: [],
    })
    const none = Object.fromEntries(Object.keys(draft.shipping_address).map((it) => [it, '']))
    const removed = { ...draft, shipping_address: none as typeof draft.shipping_address }
    expect(changesOf(order, removed)).toEqual({ shipping_address: null })
  })

  it('is shown beside the current order, which someone else may have changed meanwhile', () => {
    const draft = { ...draftOf(order), purchase_order: 'PO-1' }
    const current = { ...order, note: 'Another note', purchase_order: 'PO-0' } as Order
    expect(differences(current, changesOf(order, draft))).toEqual([
      { field: 'purchase_order', before: 'PO-0', after: 'PO-1' },
    ])
  })

  it('is read from the fields of its form', () => {
    const form = new FormData()
    form.set('shipping_address.city', ' Lyon ')
    form.set('tags', 'a, b')
    expect(draftFrom(form)).toMatchObject({ tags: 'a, b', note: '' })
    expect(draftFrom(form).shipping_address.city).toBe('Lyon')
  })
})
