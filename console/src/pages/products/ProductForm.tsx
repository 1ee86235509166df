import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { Product } from '~/api/client'
import { isStale, Problem } from '~/api/problem'
import { reread, rereadIfStale } from '~/api/queries'
import { useFormats, useTexts } from '~/texts'
import { Card } from '~/ui/Card'
import { focusFirstWrong } from '~/ui/focus'
import { Refusal } from '~/ui/problems'
import { say } from '~/ui/toast'
import { Unsaved } from '~/ui/Unsaved'
import * as drafts from './draft'
import { ProductFields } from './ProductFields'
import { Side } from './ProductRow'
import { changeProduct, keep } from './products'

/**
 * The form of a product. Fields that were not touched follow the product; a field that someone else has changed
 * meanwhile is shown with both values. So a save is always about the version that the form shows.
 */
export function ProductForm(props: { product: Product }) {
  const { product } = props
  const texts = useTexts()
  const { locale } = useFormats()
  const [draft, setDraft] = useState(drafts.UNTOUCHED)
  const [tried, setTried] = useState(false)
  const current = drafts.fieldsOf(product, locale)
  const fields = drafts.shown(draft, current)
  const changed = drafts.changed(draft, current)
  const conflicts = drafts.conflicts(draft, current)
  const mistakes = drafts.mistakes(fields, changed)

  const saving = useMutation({
    mutationFn: (sent: drafts.Draft) =>
      changeProduct(product.id, product.version, drafts.changesOf(sent, current)),
    onSuccess: (saved, sent) => {
      keep(saved)
      void reread('categories')
      // What was typed while the request was on its way stays.
      setDraft((now) =>
        now === sent ? drafts.UNTOUCHED : drafts.rebase(now, drafts.fieldsOf(saved, locale)),
      )
      setTried(false)
      say(texts.product.saved)
    },
    onError: (error) => {
      rereadIfStale(error, 'product', product.id)
    },
  })
  const refusal = saving.error instanceof Problem ? saving.error : null
  const errors = {
    ...refusal?.fieldErrors,
    ...(tried ? mapped(mistakes, texts.product.mistakes) : {}),
  }
  return (
    <Card title={texts.product.details}>
      <form
        className="body stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          setTried(true)
          const form = event.currentTarget
          if (Object.keys(mistakes).length) focusFirstWrong(form)
          else if (changed.length && !conflicts.length)
            saving.mutate(draft, { onError: () => focusFirstWrong(form) })
        }}
      >
        <ProductFields
          fields={fields}
          currency={product.currency}
          errors={errors}
          onType={(name, value) => {
            if (!saving.isPending) saving.reset()
            setDraft((before) => drafts.type(before, current, name, value))
          }}
          more={(name) =>
            conflicts.includes(name) && (
              <Conflict
                name={name}
                theirs={current}
                yours={fields}
                onTheirs={() => setDraft(drafts.takeTheirs(draft, name))}
                onYours={() => setDraft(drafts.takeYours(draft, current, name))}
              />
            )
          }
        />
        {conflicts.length > 0 ? (
          <p className="note" role="alert">
            {texts.product.conflict}
          </p>
        ) : (
          saving.error && <Refused error={saving.error} errors={errors} />
        )}
        <div className="row">
          <button
            type="submit"
            className="button primary"
            disabled={!changed.length || conflicts.length > 0 || saving.isPending}
          >
            {texts.common.save}
          </button>
          {changed.length > 0 && (
            <>
              <button
                type="button"
                className="button plain"
                onClick={() => {
                  saving.reset()
                  setDraft(drafts.UNTOUCHED)
                }}
              >
                {texts.product.undoEdits}
              </button>
              <span className="hint">{texts.product.unsaved(changed.length)}</span>
            </>
          )}
        </div>
      </form>
      <Unsaved isUnsaved={() => changed.length > 0} />
    </Card>
  )
}

export function mapped(
  mistakes: Partial<Record<string, drafts.Mistake>>,
  texts: Record<drafts.Mistake, string>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(mistakes).map(([name, it]) => [name, it ? texts[it] : '']))
}

function Refused(props: { error: Error; errors: Partial<Record<string, string>> }) {
  const texts = useTexts()
  const { error, errors } = props
  if (isStale(error))
    return (
      <p className="note" role="alert">
        {texts.product.merged}
      </p>
    )
  if (Object.keys(errors).length) return null
  return <Refusal error={error} />
}

/** What someone else has made of a field beside what the user typed. */
function Conflict(props: {
  name: drafts.FieldName
  theirs: drafts.Fields
  yours: drafts.Fields
  onTheirs: () => void
  onYours: () => void
}) {
  const { name, theirs, yours } = props
  const texts = useTexts()
  const write = (fields: drafts.Fields) => {
    const value = fields[name]
    const text = typeof value === 'string' ? value : value.map((it) => it.join(': ')).join('\n')
    return text || texts.product.none
  }
  return (
    <fieldset className="sides note" aria-label={texts.product.conflict}>
      <Side
        title={texts.product.theirs}
        value={write(theirs)}
        act={texts.product.useTheirs}
        onChoose={props.onTheirs}
      />
      <Side
        title={texts.product.yours}
        value={write(yours)}
        act={texts.product.useYours}
        onChoose={props.onYours}
      />
    </fieldset>
  )
}
