import { type KeyboardEvent, useRef, useState } from 'react'
import { newKey, type Order } from '~/api/client'
import { Problem } from '~/api/problem'
import { useTexts } from '~/texts'
import { Dialog } from '~/ui/Dialog'
import { Field } from '~/ui/Field'
import { Form, FormButtons, textOf } from '~/ui/FormParts'
import { explain } from '~/ui/problems'
import { say } from '~/ui/toast'
import { AT_ONCE } from './BulkBar'
import { each, keepMoved, move, nameOf, unitsOf } from './orders'

/** Enter moves to the next field, as scanners send it after each number; in the last one it submits. */
function moveOnByEnter(event: KeyboardEvent<HTMLInputElement>) {
  const fields = [...(event.currentTarget.form?.querySelectorAll<HTMLInputElement>('input:enabled') ?? [])]
  const next = fields[fields.indexOf(event.currentTarget) + 1]
  if (event.key !== 'Enter' || !next) return
  event.preventDefault()
  next.focus()
}

/** Ships orders with one carrier and a tracking number for each. Those that failed stay, each with the reason. */
export function BulkShip(props: { orders: Order[]; onClose: () => void; onDone: () => void }) {
  const texts = useTexts()
  const [shipped, setShipped] = useState<ReadonlyMap<string, Order>>(new Map())
  const [errors, setErrors] = useState<ReadonlyMap<string, unknown>>(new Map())
  const [busy, setBusy] = useState(false)
  const keys = useRef(new Map<string, string>())

  /** The same shipment, sent again after a lost answer, has the same key. */
  function keyOf(order: Order, details: object): string {
    const intent = JSON.stringify([order.id, details])
    const key = keys.current.get(intent) ?? newKey()
    keys.current.set(intent, key)
    return key
  }

  async function ship(form: FormData) {
    const left = props.orders.filter((it) => !shipped.has(it.id))
    const carrier = textOf(form, 'carrier') ?? ''
    const moved = new Map(shipped)
    setBusy(true)
    const outcomes = await each(left, AT_ONCE, async (order) => {
      const details = { carrier, tracking_number: textOf(form, order.id) ?? '' }
      moved.set(order.id, await move(order, 'ship', details, keyOf(order, details)))
    })
    setBusy(false)
    setShipped(moved)
    const failed = outcomes.filter((it) => it.error)
    setErrors(new Map(failed.map((it) => [it.item.id, it.error])))
    // The list is updated at the end, as its rows are those of this dialog.
    if (failed.length) return
    say(texts.orders.bulk.shipped(moved.size))
    props.onDone()
    keepMoved([...moved.values()])
  }

  function close() {
    props.onClose()
    keepMoved([...shipped.values()])
  }

  return (
    <Dialog
      open
      wide
      stays
      onClose={close}
      title={texts.orders.bulk.shipTitle(props.orders.length - shipped.size)}
      lead={texts.orders.bulk.shipLead}
    >
      <Form onSubmit={(form) => void ship(form)}>
        <Field name="carrier" label={texts.order.ship.carrier} required autoFocus onKeyDown={moveOnByEnter} />
        {props.orders.map((order) => (
          <Parcel key={order.id} order={order} done={shipped.has(order.id)} error={errors.get(order.id)} />
        ))}
        <FormButtons
          busy={busy}
          onClose={close}
          submit={texts.orders.bulk.shipSubmit(props.orders.length - shipped.size)}
        />
      </Form>
    </Dialog>
  )
}

function Parcel(props: { order: Order; done: boolean; error: unknown }) {
  const texts = useTexts()
  const { order, done, error } = props
  const field = error instanceof Problem ? error.fieldErrors.tracking_number : undefined
  const place = order.shipping_address?.city
  return (
    <Field
      name={order.id}
      label={texts.orders.bulk.tracking(order.number)}
      hint={[done && texts.status.shipped, nameOf(order), place, texts.orders.bulk.units(unitsOf(order))]
        .filter(Boolean)
        .join(' · ')}
      error={error && !done ? (field ?? explain(error as Error, texts).text) : undefined}
      disabled={done}
      onKeyDown={moveOnByEnter}
      className="input mono"
      autoComplete="off"
      spellCheck={false}
      required
    />
  )
}
