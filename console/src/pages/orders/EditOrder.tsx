import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { Order } from '~/api/client'
import { useIntentKey } from '~/api/intent'
import { Problem } from '~/api/problem'
import { rereadIfStale } from '~/api/queries'
import { useTexts } from '~/texts'
import { Field, TextArea } from '~/ui/Field'
import { FormDialog } from '~/ui/FormDialog'
import { say } from '~/ui/toast'
import {
  type AddressField,
  type AddressName,
  type Changes,
  changesOf,
  type Difference,
  type Draft,
  differences,
  draftFrom,
  draftOf,
  editOrder,
  FIELDS,
} from './edit'
import { keepMoved } from './orders'

/** Changes addresses, note, purchase order and tags. It shows what will change before it is saved. */
export function EditOrder(props: { order: Order; onClose: () => void }) {
  const { order, onClose } = props
  const texts = useTexts()
  const [opened] = useState(order)
  const [draft, setDraft] = useState(() => draftOf(order))
  const [isChecking, setChecking] = useState(false)
  const keyOf = useIntentKey()
  const saving = useMutation({
    mutationFn: (changes: Changes) => editOrder(order, changes, keyOf([order.version, changes])),
    onSuccess: (changed) => {
      keepMoved([changed])
      say(texts.order.edit.saved)
      onClose()
    },
    onError: (error) => {
      rereadIfStale(error, 'order', order.id)
      const fields = error instanceof Problem ? Object.keys(error.fieldErrors) : []
      if (fields.length) setChecking(false)
    },
  })
  const changes = changesOf(opened, draft)
  if (isChecking)
    return (
      <FormDialog
        title={texts.order.edit.sure}
        request={saving}
        submit={texts.common.save}
        dismiss={texts.order.edit.back}
        wide
        stays
        onSubmit={() => saving.mutate(changes)}
        onClose={onClose}
        onDismiss={() => setChecking(false)}
      >
        <Differences of={differences(order, changes)} />
      </FormDialog>
    )
  const check = (form: FormData) => {
    saving.reset()
    const typed = draftFrom(form)
    setDraft(typed)
    if (Object.keys(changesOf(opened, typed)).length) setChecking(true)
    else onClose()
  }
  return (
    <FormDialog
      title={texts.order.edit.title}
      lead={texts.order.edit.lead}
      request={saving}
      shown={FIELDS}
      submit={texts.order.edit.check}
      wide
      stays
      onSubmit={check}
      onClose={onClose}
    >
      <Fields draft={draft} errors={saving.error instanceof Problem ? saving.error.fieldErrors : {}} />
    </FormDialog>
  )
}

type Errors = Record<string, string>

function Fields(props: { draft: Draft; errors: Errors }) {
  const texts = useTexts()
  const { draft, errors } = props
  const tagError = Object.entries(errors).find(([name]) => name === 'tags' || name.startsWith('tags.'))?.[1]
  return (
    <>
      <AddressFields of="shipping_address" title={texts.order.address} draft={draft} errors={errors} />
      <AddressFields of="billing_address" title={texts.order.billingAddress} draft={draft} errors={errors} />
      <div className="pair">
        <Field
          name="purchase_order"
          label={texts.order.purchaseOrder}
          maxLength={100}
          error={errors.purchase_order}
          defaultValue={draft.purchase_order}
        />
        <Field
          name="tags"
          label={texts.order.tags}
          hint={texts.order.edit.tagsHint}
          error={tagError}
          defaultValue={draft.tags}
        />
      </div>
      <TextArea
        name="note"
        label={texts.order.note}
        maxLength={500}
        rows={3}
        error={errors.note}
        defaultValue={draft.note}
      />
    </>
  )
}

function AddressFields(props: { of: AddressName; title: string; draft: Draft; errors: Errors }) {
  const texts = useTexts()
  const { of, title, draft, errors } = props
  const field = (name: AddressField, maxLength: number) => (
    <Field
      name={`${of}.${name}`}
      label={texts.order.addressFields[name]}
      maxLength={maxLength}
      autoComplete="off"
      error={errors[`${of}.${name}`]}
      defaultValue={draft[of][name]}
    />
  )
  return (
    <fieldset className="types">
      <legend>{title}</legend>
      {errors[of] && <p className="error">{errors[of]}</p>}
      <div className="pair">
        {field('name', 100)}
        {field('company', 100)}
        {field('line1', 100)}
        {field('line2', 100)}
        {field('postal_code', 20)}
        {field('city', 100)}
        {field('region', 100)}
        {field('country', 2)}
        {field('phone', 30)}
      </div>
    </fieldset>
  )
}

/** Each field that will change, before and after. */
function Differences(props: { of: Difference[] }) {
  const texts = useTexts()
  const value = (text: string) => (text ? <span className="pre">{text}</span> : texts.order.edit.nothing)
  return (
    <dl className="stack">
      {props.of.map(({ field, before, after }) => (
        <div key={field} className="stack tight">
          <dt>
            <strong>{texts.order.fields[field]}</strong>
          </dt>
          <dd className="pair">
            <div className="note danger">
              <div>
                <span className="hint">{texts.order.edit.before}</span>
                <div>{value(before)}</div>
              </div>
            </div>
            <div className="note good">
              <div>
                <span className="hint">{texts.order.edit.after}</span>
                <div>{value(after)}</div>
              </div>
            </div>
          </dd>
        </div>
      ))}
    </dl>
  )
}
