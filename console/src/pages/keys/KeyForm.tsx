import { type ReactNode, useId, useState } from 'react'
import { isStale } from '~/api/problem'
import { currentShop } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { Field, TextArea } from '~/ui/Field'
import { FormDialog } from '~/ui/FormDialog'
import { comeIntoView, textOf } from '~/ui/FormParts'
import { addressesOf } from '../exports/exports'
import {
  DEFAULT_RATE_LIMIT,
  type Draft,
  keyErrors,
  lastDay,
  MAX_RATE_LIMIT,
  type Scope,
  type ServiceKey,
} from './keys'

// The fields whose errors are beside them.
const FIELDS = ['name', 'scopes', 'expires_at', 'rate_limit', 'allowed_addresses']

/** What was typed into the fields. */
function draftOf(form: FormData): Draft {
  return {
    name: textOf(form, 'name') ?? '',
    scopes: form.getAll('scopes') as Scope[],
    expires_at: textOf(form, 'expires_at') ?? null,
    rate_limit: Number(form.get('rate_limit')),
    allowed_addresses: addressesOf(textOf(form, 'allowed_addresses') ?? ''),
  }
}

/** The dialog with the fields of a service key, for a new one and for a change. */
export function KeyForm(props: {
  title: string
  serviceKey?: ServiceKey
  notice?: ReactNode
  request: { isPending: boolean; error: Error | null; variables: Draft | undefined }
  submit: string
  onSubmit: (draft: Draft) => void
  onClose: () => void
}) {
  const { title, serviceKey, notice, request, submit, onClose } = props
  const texts = useTexts()
  const [isMissing, setMissing] = useState(false)
  const errors = keyErrors(request.error, request.variables)
  if (isMissing) errors.scopes = texts.serviceKeys.form.noScopes
  return (
    <FormDialog
      title={title}
      wide
      stays
      // The current state says that someone else has changed the key.
      request={notice && isStale(request.error) ? { ...request, error: null } : request}
      shown={FIELDS}
      submit={submit}
      onSubmit={(form) => {
        const draft = draftOf(form)
        setMissing(!draft.scopes.length)
        if (draft.scopes.length) props.onSubmit(draft)
      }}
      onClose={onClose}
    >
      <KeyFields serviceKey={serviceKey} errors={errors} />
      {notice}
    </FormDialog>
  )
}

function KeyFields(props: { serviceKey: ServiceKey | undefined; errors: Record<string, string> }) {
  const { serviceKey, errors } = props
  const texts = useTexts()
  const formats = useFormats()
  const expires = serviceKey ? lastDay(serviceKey, currentShop()?.time_zone) : null
  return (
    <>
      <Field
        name="name"
        label={texts.serviceKeys.form.name}
        hint={texts.serviceKeys.form.nameHint}
        error={errors.name}
        defaultValue={serviceKey?.name}
        maxLength={100}
        required
        autoFocus
        autoComplete="off"
      />
      <Scopes chosen={serviceKey?.scopes ?? []} error={errors.scopes} />
      <div className="pair">
        <Field
          name="expires_at"
          type="date"
          label={texts.serviceKeys.form.expires}
          hint={texts.serviceKeys.form.expiresHint}
          error={errors.expires_at}
          defaultValue={expires ?? ''}
          // The browser would refuse the day of a key that has expired, although it is not changed.
          min={expires && expires < formats.today ? expires : formats.today}
        />
        <Field
          name="rate_limit"
          type="number"
          label={texts.serviceKeys.form.limit}
          hint={texts.serviceKeys.form.limitHint}
          error={errors.rate_limit}
          defaultValue={serviceKey?.rate_limit ?? DEFAULT_RATE_LIMIT}
          min={1}
          max={MAX_RATE_LIMIT}
          step={1}
          required
        />
      </div>
      <TextArea
        name="allowed_addresses"
        label={texts.serviceKeys.form.addresses}
        hint={texts.serviceKeys.form.addressesHint}
        error={errors.allowed_addresses}
        defaultValue={serviceKey?.allowed_addresses.join('\n')}
        className="input mono"
        rows={2}
        spellCheck={false}
      />
    </>
  )
}

function Scopes(props: { chosen: Scope[]; error: string | undefined }) {
  const { chosen, error } = props
  const texts = useTexts()
  const id = useId()
  return (
    <fieldset className="types" aria-describedby={error ? id : undefined}>
      <legend>{texts.serviceKeys.form.scopes}</legend>
      {error && (
        <p id={id} className="error" role="alert" ref={comeIntoView}>
          {error}
        </p>
      )}
      <div className="groups">
        {(Object.keys(texts.serviceKeys.scopes) as Scope[]).map((it) => (
          <div key={it}>
            <label className="check">
              <input
                type="checkbox"
                name="scopes"
                value={it}
                defaultChecked={chosen.includes(it)}
                aria-describedby={`${id}-${it}`}
              />
              {texts.serviceKeys.scopes[it].name}
            </label>
            <p id={`${id}-${it}`} className="hint inner">
              {texts.serviceKeys.scopes[it].does} <span className="mono">{it}</span>
            </p>
          </div>
        ))}
      </div>
    </fieldset>
  )
}
