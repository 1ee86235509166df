import './stock-count.css'
import { useMutation } from '@tanstack/react-query'
import { type RefObject, useEffect, useRef, useState } from 'react'
import type { Product } from '~/api/client'
import { useFormats, useTexts } from '~/texts'
import { Field } from '~/ui/Field'
import { PageHead } from '~/ui/PageHead'
import { explain } from '~/ui/problems'
import { isTyping } from '~/ui/useRows'
import { readSku } from '../products/products'
import { CountedLines } from './CountedLines'
import { add, countOf, isUnusual, settled } from './counts'

/** Counting with a scanner: a SKU and Enter, a count and Enter, and the next one. No pointer is needed. */
export function StockCount() {
  const texts = useTexts()
  const sku = useRef<HTMLInputElement>(null)
  useScanner(sku)
  return (
    <>
      <PageHead title={texts.stockCount.title} lead={texts.stockCount.lead} />
      <Scan sku={sku} />
      <CountedLines toScan={() => sku.current?.focus()} />
    </>
  )
}

/** Text that is typed while no field has the focus goes to the field of the SKU, not to shortcuts: a scanner types fast. */
function useScanner(sku: RefObject<HTMLInputElement | null>): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key.length !== 1 || event.key === ' ' || isTyping(event)) return
      event.stopPropagation()
      sku.current?.focus()
    }
    addEventListener('keydown', press, true)
    return () => removeEventListener('keydown', press, true)
  }, [sku])
}

function Scan(props: { sku: RefObject<HTMLInputElement | null> }) {
  const { sku } = props
  const texts = useTexts()
  const [typed, setTyped] = useState('')
  const [counted, setCounted] = useState('')
  const [asked, setAsked] = useState<'wrong' | 'unusual' | null>(null)
  // A count that was entered before the product was found, so that the user does not wait for the network.
  const early = useRef<string | null>(null)
  const looking = useMutation({
    // A product that was counted a moment ago is read after its adjustment.
    mutationFn: (sku: string) => settled().then(() => readSku(sku)),
  })
  const product = looking.data ?? undefined
  const unknown = looking.isSuccess && !product ? texts.stockCount.unknown(looking.variables) : undefined
  const failure = looking.error ? explain(looking.error, texts).text : undefined

  function again() {
    sku.current?.focus()
    sku.current?.select()
  }

  function look() {
    early.current = null
    setCounted('')
    setAsked(null)
    looking.mutate(typed.trim(), {
      onSuccess: (found) => {
        if (!found) again()
        else if (early.current !== null) submit(found, early.current)
      },
      onError: again,
    })
  }

  function next() {
    looking.reset()
    setTyped('')
    sku.current?.focus()
  }

  function submit(of: Product | undefined, text: string) {
    if (!of) {
      early.current = text
      return
    }
    early.current = null
    const units = countOf(text)
    if (units === null) return setAsked('wrong')
    if (isUnusual(units, of.on_hand) && asked !== 'unusual') return setAsked('unusual')
    add(of, units, { count: texts.stockCount.reason, undo: texts.stockCount.undoReason })
    next()
  }

  return (
    <section className="card scan">
      <form
        className="body"
        onSubmit={(event) => {
          event.preventDefault()
          if (typed.trim() && !looking.isPending) look()
        }}
      >
        <Field
          ref={sku}
          name="sku"
          label={texts.stockCount.sku}
          error={unknown ?? failure}
          hint=" "
          className="input mono big"
          value={typed}
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          enterKeyHint="next"
          autoFocus
          onChange={(event) => setTyped(event.target.value)}
        />
      </form>
      {(looking.isPending || product) && (
        <Count
          key={looking.submittedAt}
          product={product}
          typed={counted}
          asked={asked}
          onType={(text) => {
            early.current = null
            setCounted(text)
            setAsked(null)
          }}
          onSubmit={() => submit(product, counted)}
          onLeave={next}
        />
      )}
    </section>
  )
}

/** The product that was scanned, and the field of its count, which can be filled in before the product is found. */
function Count(props: {
  product: Product | undefined
  typed: string
  asked: 'wrong' | 'unusual' | null
  onType: (text: string) => void
  onSubmit: () => void
  onLeave: () => void
}) {
  const { product, typed, asked } = props
  const texts = useTexts()
  const { count } = useFormats()
  const question = {
    wrong: texts.stockCount.wrongCount,
    unusual: texts.stockCount.unusual(count(countOf(typed) ?? 0), count(product?.on_hand ?? 0)),
  }
  return (
    <form
      className="body counting"
      onSubmit={(event) => {
        event.preventDefault()
        props.onSubmit()
      }}
    >
      <div className="stack tight" aria-live="polite">
        <h2 className="break">{product?.name ?? texts.stockCount.looking}</h2>
        <p className="quiet">
          <span className="mono break">{product?.sku ?? '\u00a0'}</span>
          {product?.status === 'archived' && ` · ${texts.stockCount.archived}`}
        </p>
        <p>
          {texts.stockCount.system} <strong>{product ? count(product.on_hand) : '…'}</strong>
          {product && product.reserved > 0 && (
            <span className="hint"> · {texts.stockCount.reservedOf(count(product.reserved))}</span>
          )}
        </p>
      </div>
      <Field
        name="count"
        label={texts.stockCount.counted}
        error={asked ? question[asked] : undefined}
        hint={texts.stockCount.countHint}
        className="input big"
        value={typed}
        inputMode="numeric"
        autoComplete="off"
        enterKeyHint="done"
        autoFocus
        onChange={(event) => props.onType(event.target.value)}
        onKeyDown={(event) => event.key === 'Escape' && props.onLeave()}
      />
      <button type="submit" className="hidden" tabIndex={-1}>
        {texts.common.save}
      </button>
    </form>
  )
}
