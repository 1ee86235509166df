/** Edits of single fields in a row of the list. A typed value stays until it is saved or put back. */

import { useState } from 'react'
import type { Product } from '~/api/client'
import { isStale, Problem } from '~/api/problem'
import { amountOf, isSameAmount, typedAmount } from '~/format/amount'
import { useFormats, useTexts } from '~/texts'
import { complain, explain } from '~/ui/problems'
import { say } from '~/ui/toast'
import { wholeOf } from './draft'
import { type Change, changeProduct, keep, type ProductStatus, readProduct } from './products'

export type Field = 'price' | 'low_stock_threshold' | 'status'
/** `version` is the one that the user saw; `theirs` the product after a change of someone else. */
export type Edit = {
  text: string
  version: number
  /** Whether the first key has replaced the value already. */
  isReplaced?: boolean
  busy?: boolean
  error?: string
  theirs?: Product
}
export type Edits = Partial<Record<Field, Edit>>

export function useEdits(product: Product) {
  const texts = useTexts()
  const { locale, money } = useFormats()
  const [edits, setEdits] = useState<Edits>({})
  const [saved, setSaved] = useState<Field | null>(null)

  const put = (field: Field, edit: Edit | undefined) =>
    setEdits(({ [field]: _, ...others }) => (edit ? { ...others, [field]: edit } : others))

  function open(field: Field, key?: string) {
    const text = key ?? textOf(product, field, locale)
    put(field, { text, version: product.version, isReplaced: key !== undefined })
    setSaved(null)
  }

  /** Saves what was typed over `version`. */
  async function save(field: Field, edit: Edit, version = edit.version) {
    if (edit.busy) return
    const { theirs: _theirs, error: _error, ...typed } = edit
    const change = changeOf(field, typed.text)
    if (!change) {
      const error = field === 'price' ? texts.products.wrongAmount : texts.products.wrongWhole
      return put(field, { ...typed, error })
    }
    if (version === product.version && isUnchanged(product, change)) return put(field, undefined)
    put(field, { ...typed, version, busy: true })
    try {
      const changed = await changeProduct(product.id, version, change)
      keep(changed)
      put(field, undefined)
      setSaved(field)
      if (field !== 'low_stock_threshold') offerUndo(field, edit.theirs ?? product, changed)
    } catch (error) {
      put(field, { ...typed, version, ...(await refused(product.id, field, error)) })
    }
  }

  /** Lets the user take back a change that customers see. */
  function offerUndo(field: 'price' | 'status', before: Product, changed: Product) {
    const back = field === 'price' ? { price: before.price } : { status: before.status }
    const undo = () =>
      changeProduct(product.id, changed.version, back)
        .then(keep)
        .catch((error) => complain(error, texts))
    const value = (it: Product) =>
      field === 'price' ? money(it.price, it.currency) : texts.products.statuses[it.status]
    say(`${changed.name}: ${value(before)} → ${value(changed)}`, { undo })
  }

  async function refused(id: string, field: Field, error: unknown): Promise<Partial<Edit>> {
    if (isStale(error)) {
      const theirs = await readProduct(id).catch(() => null)
      if (theirs) return { theirs }
    }
    const own = error instanceof Problem ? error.fieldErrors[field] : undefined
    return { error: own ?? explain(error, texts).text }
  }

  return {
    edits,
    saved,
    open,
    save,
    type: (field: Field, edit: Edit, text: string) => put(field, { ...withoutError(edit), text }),
    close: (field: Field) => put(field, undefined),
    takeTheirs(field: Field, theirs: Product) {
      keep(theirs)
      put(field, undefined)
    },
  }
}

function withoutError({ error: _, ...edit }: Edit): Edit {
  return edit
}

function textOf(product: Product, field: Field, locale: string): string {
  if (field === 'price') return typedAmount(product.price, locale)
  if (field === 'status') return product.status
  return product.low_stock_threshold === null ? '' : String(product.low_stock_threshold)
}

/** The change that was typed, or null if it is none that the API could take. */
function changeOf(field: Field, text: string): Change | null {
  if (field === 'status') return { status: text as ProductStatus }
  if (field === 'price') {
    const price = amountOf(text)
    return price === null ? null : { price }
  }
  const low = wholeOf(text)
  return low === undefined ? null : { low_stock_threshold: low }
}

function isUnchanged(product: Product, change: Change): boolean {
  if (typeof change.price === 'string') return isSameAmount(change.price, product.price)
  if (change.status) return change.status === product.status
  return change.low_stock_threshold === product.low_stock_threshold
}
