import { useMutation } from '@tanstack/react-query'
import { useId, useState } from 'react'
import type { Product } from '~/api/client'
import { useIntentKey } from '~/api/intent'
import { Problem } from '~/api/problem'
import { reread } from '~/api/queries'
import { useFormats, useTexts } from '~/texts'
import { Dialog } from '~/ui/Dialog'
import { Field } from '~/ui/Field'
import { Refusal } from '~/ui/problems'
import { say } from '~/ui/toast'
import { adjusted, adjustmentOf } from './ledger'
import { adjustStock, keepStock } from './products'

/** Adds units to those on hand, or removes them, and shows before what will be left. */
export function AdjustStock(props: { product: Product; onClose: () => void }) {
  const { product, onClose } = props
  const texts = useTexts()
  const { count } = useFormats()
  const [typed, setTyped] = useState('')
  const [reason, setReason] = useState('')
  const [tried, setTried] = useState(false)
  const list = useId()
  const keyOf = useIntentKey()
  const by = adjustmentOf(typed)
  const after = adjusted(product, by ?? 0)

  const adjusting = useMutation({
    mutationFn: (units: number) =>
      adjustStock(product.id, units, reason.trim(), keyOf([units, reason.trim()])),
    onSuccess: (stock) => {
      keepStock(product.id, stock)
      void reread('movements', product.id)
      say(texts.product.adjusted(count(stock.on_hand)))
      onClose()
    },
    onError: (error) => {
      // The units shown are older than those that the API counted with.
      if (error instanceof Problem && error.status === 409) void reread('product', product.id)
    },
  })
  const refusal = adjusting.error instanceof Problem ? adjusting.error : null
  const errors = refusal?.fieldErrors ?? {}
  const tooFew = product.reserved
    ? texts.product.tooFewReserved(count(product.available), count(product.reserved))
    : texts.product.tooFew(count(product.available))
  const isTooMany = (by !== null && !after.isEnough) || refusal?.code === 'insufficient-stock'
  const wrong = isTooMany ? tooFew : tried && by === null ? texts.product.wrongChange : undefined
  const noReason = tried && !reason.trim() ? texts.common.required : undefined
  return (
    <Dialog
      open
      onClose={onClose}
      title={texts.product.adjust}
      lead={texts.product.adjustLead(product.name)}
      stays={adjusting.isPending}
    >
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          setTried(true)
          if (by !== null && after.isEnough && reason.trim()) adjusting.mutate(by)
        }}
      >
        <Field
          name="adjustment"
          label={texts.product.change}
          hint={texts.product.changeHint}
          error={errors.adjustment ?? wrong}
          value={typed}
          inputMode="text"
          autoComplete="off"
          autoFocus
          onChange={(event) => {
            adjusting.reset()
            setTyped(event.target.value)
          }}
        />
        <Field
          name="reason"
          label={texts.product.reason}
          hint={texts.product.reasonHint}
          error={errors.reason ?? noReason}
          value={reason}
          list={list}
          maxLength={500}
          autoComplete="off"
          onChange={(event) => setReason(event.target.value)}
        />
        <datalist id={list}>
          {texts.product.reasons.map((it) => (
            <option key={it} value={it} />
          ))}
        </datalist>
        <Outcome product={product} after={by !== null && after.isEnough ? after : null} />
        {adjusting.error && !isTooMany && !Object.keys(errors).length && <Refusal error={adjusting.error} />}
        <div className="actions">
          <button type="button" className="button" onClick={onClose}>
            {texts.common.cancel}
          </button>
          <button type="submit" className="button primary" disabled={adjusting.isPending}>
            {texts.product.adjust}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

/** The units before and after. */
function Outcome(props: { product: Product; after: { available: number; onHand: number } | null }) {
  const { product, after } = props
  const texts = useTexts()
  const { count } = useFormats()
  const rows = [
    [texts.product.available, product.available, after?.available],
    [texts.product.onHand, product.on_hand, after?.onHand],
  ] as const
  return (
    <table className="table small outcome">
      <thead>
        <tr>
          <th>
            <span className="hidden">{texts.product.stock}</span>
          </th>
          <th className="number">{texts.product.before}</th>
          <th className="number">{texts.product.after}</th>
        </tr>
      </thead>
      <tbody aria-live="polite">
        {rows.map(([name, before, then]) => (
          <tr key={name}>
            <td>{name}</td>
            <td className="number">{count(before)}</td>
            <td className="number">{then === undefined ? '–' : <strong>{count(then)}</strong>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
