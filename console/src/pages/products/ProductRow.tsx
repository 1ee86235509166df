import { Link, useNavigate } from '@tanstack/react-router'
import { memo } from 'react'
import type { Product } from '~/api/client'
import { amountOf } from '~/format/amount'
import { useFormats, useTexts } from '~/texts'
import { Cell } from './Cell'
import { LevelBadge, ProductBadge } from './ProductBadge'
import type { ProductStatus } from './products'
import { type Edit, type Field, useEdits } from './useEdits'

/**
 * A product of the list. It has its own body of the table, as questions about its edits have rows of their own. It is
 * drawn again only if something of this product changes, since each key changes the list.
 */
export const ProductRow = memo(function ProductRow(props: {
  product: Product
  active: boolean
  lasts: number | null
}) {
  const { product, active, lasts } = props
  const texts = useTexts()
  const { money, count } = useFormats()
  const navigate = useNavigate()
  const editing = useEdits(product)
  const { low_stock_threshold: low, name } = product

  const cell = (field: Field, label: string, shown: string) => {
    const edit = editing.edits[field]
    return {
      field,
      label,
      of: name,
      shown,
      edit,
      saved: editing.saved === field,
      onOpen: (key?: string) => editing.open(field, key),
      onType: (text: string) => edit && editing.type(field, edit, text),
      onSave: () => edit && void editing.save(field, edit),
      onClose: () => editing.close(field),
    }
  }
  const price = money(product.price, product.currency)
  const threshold = low === null ? texts.products.noThreshold : count(low)
  const status = texts.products.statuses[product.status]
  return (
    <tbody>
      {/* The link and the keys j, k and Enter do the same. */}
      <tr
        className="link"
        data-active={active}
        onClick={(event) => {
          if (!(event.target as HTMLElement).closest('a, button, .editor'))
            void navigate({ to: '/products/$id', params: { id: product.id } })
        }}
      >
        <td className="wide">
          <Link to="/products/$id" params={{ id: product.id }} className="break">
            {name}
          </Link>
          <div className="hint mono break">{product.sku}</div>
        </td>
        <td className="quiet minor break">{product.category}</td>
        <td>
          <Cell {...cell('status', texts.products.status, status)}>
            <ProductBadge status={product.status} />
          </Cell>
        </td>
        <td className="number">
          <LevelBadge product={product} /> {count(product.available)}
          <span className="only-card"> {texts.products.available.toLowerCase()}</span>
          {lasts !== null && <div className="hint">{texts.home.lasts(lasts)}</div>}
        </td>
        <td className="number minor">{count(product.reserved)}</td>
        <td className="number end">
          <Cell {...cell('price', texts.products.price, price)}>{price}</Cell>
        </td>
        <td className="number">
          <span className="only-card hint">{texts.products.threshold} </span>
          <Cell {...cell('low_stock_threshold', texts.products.threshold, threshold)}>
            {low === null ? <span className="hint">{threshold}</span> : threshold}
          </Cell>
        </td>
      </tr>
      {(Object.entries(editing.edits) as [Field, Edit][]).map(
        ([field, edit]) =>
          edit.theirs && (
            <Conflict
              key={field}
              field={field}
              edit={edit}
              theirs={edit.theirs}
              onTheirs={(theirs) => editing.takeTheirs(field, theirs)}
              onYours={(theirs) => void editing.save(field, edit, theirs.version)}
            />
          ),
      )}
    </tbody>
  )
})

/** Two values for one field, of which the user chooses one. */
function Conflict(props: {
  field: Field
  edit: Edit
  theirs: Product
  onTheirs: (theirs: Product) => void
  onYours: (theirs: Product) => void
}) {
  const { field, edit, theirs } = props
  const texts = useTexts()
  const { money, count } = useFormats()
  const write = (text: string) => {
    if (field === 'status') return texts.products.statuses[text as ProductStatus]
    if (field === 'price') return money(amountOf(text) ?? text, theirs.currency)
    return text === '' ? texts.products.noThreshold : count(Number(text))
  }
  const label = { price: 'price', low_stock_threshold: 'threshold', status: 'status' } as const
  const fieldName = texts.products[label[field]]
  return (
    <tr className="conflict">
      <td colSpan={7} className="wide">
        <div className="note" role="alert">
          <p>{texts.products.conflict(fieldName, theirs.name)}</p>
          <div className="sides">
            <Side
              title={texts.products.theirs}
              value={write(String(theirs[field] ?? ''))}
              act={texts.products.useTheirs}
              onChoose={() => props.onTheirs(theirs)}
              autoFocus
            />
            <Side
              title={texts.products.yours}
              value={write(edit.text)}
              act={texts.products.useYours}
              onChoose={() => props.onYours(theirs)}
            />
          </div>
        </div>
      </td>
    </tr>
  )
}

export function Side(props: {
  title: string
  value: string
  act: string
  onChoose: () => void
  autoFocus?: boolean
}) {
  return (
    <div className="side-by-side">
      <span className="hint">{props.title}</span>
      <strong className="pre">{props.value}</strong>
      {/* biome-ignore lint/a11y/noAutofocus: the user must decide before anything else */}
      <button type="button" className="button" onClick={props.onChoose} autoFocus={!!props.autoFocus}>
        {props.act}
      </button>
    </div>
  )
}
