import { useQuery } from '@tanstack/react-query'
import { Plus, X } from 'lucide-react'
import { type ReactNode, useId } from 'react'
import { useTexts } from '~/texts'
import { Field, TextArea } from '~/ui/Field'
import type { FieldName, Fields } from './draft'
import { readCategories } from './products'

/** The editable fields of a product. `more` is shown below a field: there a conflict is shown. */
export function ProductFields(props: {
  fields: Fields
  currency?: string | undefined
  errors: Partial<Record<string, string>>
  onType: <Name extends FieldName>(name: Name, value: Fields[Name]) => void
  more?: (name: FieldName) => ReactNode
}) {
  const { fields, currency, errors, onType, more } = props
  const texts = useTexts()
  const { data: categories = [] } = useQuery({ queryKey: ['categories'], queryFn: readCategories })
  const list = useId()
  const input = (name: Exclude<FieldName, 'attributes'>) => ({
    name,
    error: errors[name],
    value: fields[name],
    onChange: (event: { target: { value: string } }) => onType(name, event.target.value),
    autoComplete: 'off',
  })
  return (
    <>
      <div className="stack tight">
        <Field label={texts.product.name} maxLength={200} {...input('name')} />
        {more?.('name')}
      </div>
      <div className="pairs">
        <div className="stack tight">
          <Field
            label={currency ? texts.product.priceIn(currency) : texts.product.price}
            inputMode="decimal"
            {...input('price')}
          />
          {more?.('price')}
        </div>
        <div className="stack tight">
          <Field
            label={texts.product.threshold}
            hint={texts.product.thresholdHint}
            inputMode="numeric"
            {...input('low_stock_threshold')}
          />
          {more?.('low_stock_threshold')}
        </div>
      </div>
      <div className="stack tight">
        <Field
          label={texts.product.category}
          hint={texts.product.categoryHint}
          list={list}
          maxLength={100}
          {...input('category')}
        />
        <datalist id={list}>
          {categories.map((it) => (
            <option key={it.name} value={it.name} />
          ))}
        </datalist>
        {more?.('category')}
      </div>
      <div className="stack tight">
        <TextArea label={texts.product.description} maxLength={5000} rows={4} {...input('description')} />
        {more?.('description')}
      </div>
      <div className="stack tight">
        <Attributes
          rows={fields.attributes}
          error={errors.attributes ?? nested(errors, 'attributes')}
          onChange={(rows) => onType('attributes', rows)}
        />
        {more?.('attributes')}
      </div>
    </>
  )
}

/** The error of a value within a field: `attributes.roast`. */
function nested(errors: Partial<Record<string, string>>, field: string): string | undefined {
  const [found] = Object.entries(errors).filter(([name]) => name.startsWith(`${field}.`))
  return found && `${found[0].slice(field.length + 1)}: ${found[1]}`
}

type Rows = Fields['attributes']

function Attributes(props: { rows: Rows; error: string | undefined; onChange: (rows: Rows) => void }) {
  const { rows, error, onChange } = props
  const texts = useTexts()
  const id = useId()
  const put = (row: number, name: string, value: string) => onChange(rows.with(row, [name, value]))
  return (
    <fieldset className="attributes" aria-describedby={`${id}-more`}>
      <legend>{texts.product.attributes}</legend>
      {rows.map(([name, value], row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows have nothing else that stays while one types
        <div key={row} className="attribute">
          <input
            className="input"
            aria-label={texts.product.attributeName}
            maxLength={500}
            value={name}
            // biome-ignore lint/a11y/noAutofocus: the user has just added the row
            autoFocus={!name && !value}
            onChange={(event) => put(row, event.target.value, value)}
          />
          <input
            className="input"
            aria-label={texts.product.attributeValue}
            maxLength={500}
            value={value}
            onChange={(event) => put(row, name, event.target.value)}
          />
          <button
            type="button"
            className="button plain icon"
            aria-label={texts.product.removeAttribute(name)}
            onClick={() => onChange(rows.toSpliced(row, 1))}
          >
            <X size={15} aria-hidden />
          </button>
        </div>
      ))}
      <div className="row spread">
        <div id={`${id}-more`} className={error ? 'error' : 'hint'}>
          {error ?? texts.product.attributesHint}
        </div>
        <button
          type="button"
          className="button"
          disabled={rows.length >= 50}
          onClick={() => onChange([...rows, ['', '']])}
        >
          <Plus size={15} aria-hidden />
          {texts.product.addAttribute}
        </button>
      </div>
    </fieldset>
  )
}
