import './products.css'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { useIntentKey } from '~/api/intent'
import { Problem } from '~/api/problem'
import { queries, reread } from '~/api/queries'
import { useTexts } from '~/texts'
import { Field } from '~/ui/Field'
import { focusFirstWrong } from '~/ui/focus'
import { PageHead } from '~/ui/PageHead'
import { Refusal } from '~/ui/problems'
import { say } from '~/ui/toast'
import { Unsaved } from '~/ui/Unsaved'
import { type Fields, mistakes, NO_FIELDS, valuesOf, wholeOf } from './draft'
import { ProductFields } from './ProductFields'
import { mapped } from './ProductForm'
import { createProduct, findSku, type NewProduct } from './products'

const NOTHING: Fields & { sku: string; stock: string } = { ...NO_FIELDS, sku: '', stock: '' }

export function NewProductPage() {
  const texts = useTexts()
  const navigate = useNavigate()
  const [fields, setFields] = useState(NOTHING)
  const [tried, setTried] = useState(false)
  const created = useRef(false)
  const keyOf = useIntentKey()

  const creating = useMutation({
    mutationFn: (product: NewProduct) => createProduct(product, keyOf(product)),
    onSuccess: (product) => {
      created.current = true
      queries.setQueryData(['product', product.id], product)
      void reread('products')
      void reread('categories')
      say(texts.product.created(product.name))
      void navigate({ to: '/products/$id', params: { id: product.id } })
    },
  })

  const wrong = mistakesOf(fields, texts.product.mistakes)
  const refusal = creating.error instanceof Problem ? creating.error : null
  const errors = { ...refusal?.fieldErrors, ...(tried ? wrong : {}) }
  if (refusal?.code === 'sku-taken') errors.sku = texts.product.skuTaken
  const put = (part: Partial<typeof NOTHING>) => {
    if (!creating.isPending) creating.reset()
    setFields((before) => ({ ...before, ...part }))
  }
  return (
    <>
      <PageHead title={texts.products.new} parent={{ to: '/products', name: texts.products.title }} />
      <form
        className="card narrow"
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          setTried(true)
          const form = event.currentTarget
          if (Object.keys(wrong).length) return focusFirstWrong(form)
          const { description, ...values } = valuesOf(fields)
          const product = {
            ...values,
            sku: fields.sku.trim(),
            stock: wholeOf(fields.stock) ?? 0,
            ...(description ? { description } : {}),
          }
          creating.mutate(product, { onError: () => focusFirstWrong(form) })
        }}
      >
        <div className="body stack">
          <div className="pairs">
            <div className="stack tight">
              <Field
                name="sku"
                label={texts.product.sku}
                hint={texts.product.skuHint}
                error={errors.sku}
                value={fields.sku}
                maxLength={64}
                autoComplete="off"
                autoFocus
                onChange={(event) => put({ sku: event.target.value })}
              />
              {refusal?.code === 'sku-taken' && <Taken sku={fields.sku.trim()} />}
            </div>
            <Field
              name="stock"
              label={texts.product.stock}
              error={errors.stock}
              value={fields.stock}
              inputMode="numeric"
              autoComplete="off"
              placeholder="0"
              onChange={(event) => put({ stock: event.target.value })}
            />
          </div>
          <ProductFields fields={fields} errors={errors} onType={(name, value) => put({ [name]: value })} />
          {creating.error && !Object.keys(errors).length && <Refusal error={creating.error} />}
          <div className="row">
            <button type="submit" className="button primary" disabled={creating.isPending}>
              {texts.product.create}
            </button>
            <span className="hint">{texts.product.createLead}</span>
          </div>
        </div>
      </form>
      <Unsaved isUnsaved={() => !created.current && JSON.stringify(fields) !== JSON.stringify(NOTHING)} />
    </>
  )
}

function mistakesOf(
  fields: typeof NOTHING,
  texts: Parameters<typeof mapped>[1],
): Partial<Record<string, string>> {
  return {
    ...mapped(mistakes(fields), texts),
    ...(fields.sku.trim() ? {} : { sku: texts.required }),
    ...(wholeOf(fields.stock) === undefined ? { stock: texts.whole } : {}),
  }
}

/** A link to the product that has the SKU already. */
function Taken(props: { sku: string }) {
  const texts = useTexts()
  const { data } = useQuery({ queryKey: ['sku', props.sku], queryFn: () => findSku(props.sku) })
  if (!data) return null
  return (
    <Link to="/products/$id" params={{ id: data.id }} className="small break">
      {texts.product.skuTakenLink}: {data.name}
    </Link>
  )
}
