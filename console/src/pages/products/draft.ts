/**
 * The fields of a product that a user has typed over. Fields that the user has not touched follow the product. A
 * field is in conflict if someone else has changed it since the user began to type over it.
 */

import type { Product } from '~/api/client'
import { amountOf, isSameAmount, typedAmount } from '~/format/amount'
import type { Change } from './products'

export type Fields = {
  name: string
  description: string
  category: string
  price: string
  low_stock_threshold: string
  attributes: [name: string, value: string][]
}
export type FieldName = keyof Fields
export type Draft = { typed: Partial<Fields>; seen: Partial<Fields> }

export const UNTOUCHED: Draft = { typed: {}, seen: {} }
export const NO_FIELDS: Fields = {
  name: '',
  description: '',
  category: '',
  price: '',
  low_stock_threshold: '',
  attributes: [],
}
const NAMES = Object.keys(NO_FIELDS) as FieldName[]

export function fieldsOf(product: Product, locale: string): Fields {
  const { low_stock_threshold: low } = product
  return {
    name: product.name,
    description: product.description ?? '',
    category: product.category,
    price: typedAmount(product.price, locale),
    low_stock_threshold: low === null ? '' : String(low),
    attributes: Object.entries(product.attributes),
  }
}

export function isSame<Name extends FieldName>(name: Name, one: Fields[Name], other: Fields[Name]): boolean {
  if (name === 'attributes') return listed(one) === listed(other)
  if (name === 'price') return isSameAmount(amountOf(one as string) ?? '?', amountOf(other as string) ?? '??')
  return (one as string).trim() === (other as string).trim()
}

function listed(attributes: unknown): string {
  const filled = (attributes as Fields['attributes']).filter(([name, value]) => name.trim() || value)
  return JSON.stringify(filled.map(([name, value]) => [name.trim(), value]).sort())
}

/** Remembers what was typed, and what the field was before. */
export function type<Name extends FieldName>(
  draft: Draft,
  current: Fields,
  name: Name,
  value: Fields[Name],
): Draft {
  const seen = name in draft.seen ? draft.seen : { ...draft.seen, [name]: current[name] }
  return { typed: { ...draft.typed, [name]: value }, seen }
}

/** The fields as the form shows them. */
export function shown(draft: Draft, current: Fields): Fields {
  return { ...current, ...draft.typed }
}

/** The fields that differ from the product. */
export function changed(draft: Draft, current: Fields): FieldName[] {
  return NAMES.filter((it) => draft.typed[it] !== undefined && !isSame(it, draft.typed[it], current[it]))
}

export function conflicts(draft: Draft, current: Fields): FieldName[] {
  return changed(draft, current).filter((it) => !isSame(it, draft.seen[it] ?? current[it], current[it]))
}

export function takeTheirs(draft: Draft, name: FieldName): Draft {
  const { [name]: _typed, ...typed } = draft.typed
  const { [name]: _seen, ...seen } = draft.seen
  return { typed, seen }
}

export function takeYours(draft: Draft, current: Fields, name: FieldName): Draft {
  return { ...draft, seen: { ...draft.seen, [name]: current[name] } }
}

/** The draft after a save: what was typed meanwhile is typed over the saved product. */
export function rebase(draft: Draft, saved: Fields): Draft {
  const names = changed(draft, saved)
  const pick = (from: Partial<Fields>) => Object.fromEntries(names.map((it) => [it, from[it]]))
  return { typed: pick(draft.typed), seen: pick(saved) }
}

export type Mistake = 'required' | 'amount' | 'whole' | 'attributeName' | 'attributeTwice'

/** The mistakes in the fields that can be found without the API. */
export function mistakes(
  fields: Fields,
  names: readonly FieldName[] = NAMES,
): Partial<Record<FieldName, Mistake>> {
  const found: Partial<Record<FieldName, Mistake>> = {}
  for (const name of ['name', 'category', 'price'] as const)
    if (!fields[name].trim()) found[name] = 'required'
  if (!found.price && amountOf(fields.price) === null) found.price = 'amount'
  if (wholeOf(fields.low_stock_threshold) === undefined) found.low_stock_threshold = 'whole'
  const filled = fields.attributes.filter(([name, value]) => name.trim() || value)
  const attributes = filled.map(([name]) => name.trim())
  if (attributes.includes('')) found.attributes = 'attributeName'
  else if (new Set(attributes).size < attributes.length) found.attributes = 'attributeTwice'
  return Object.fromEntries(Object.entries(found).filter(([name]) => names.includes(name as FieldName)))
}

/** A whole number, null where nothing was typed, or undefined where something else was. */
export function wholeOf(typed: string): number | null | undefined {
  const text = typed.trim()
  if (!text) return null
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined
}

/** The values that the API takes. Fields with mistakes must not get here. */
export function valuesOf(fields: Fields) {
  return {
    name: fields.name.trim(),
    description: fields.description.trim() || null,
    category: fields.category.trim(),
    price: amountOf(fields.price) ?? fields.price,
    low_stock_threshold: wholeOf(fields.low_stock_threshold) ?? null,
    attributes: Object.fromEntries(
      fields.attributes.filter(([name]) => name.trim()).map(([name, value]) => [name.trim(), value]),
    ),
  }
}

export function changesOf(draft: Draft, current: Fields): Change {
  const values = valuesOf(shown(draft, current))
  return Object.fromEntries(changed(draft, current).map((it) => [it, values[it]]))
}
