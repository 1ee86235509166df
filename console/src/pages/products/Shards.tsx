import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { Product } from '~/api/client'
import { reread, rereadIfStale } from '~/api/queries'
import { useFormats, useTexts } from '~/texts'
import { Card } from '~/ui/Card'
import { Field } from '~/ui/Field'
import { explain } from '~/ui/problems'
import { say } from '~/ui/toast'
import { wholeOf } from './draft'
import { keep, setShards } from './products'

const MOST = 256
const ORDERS_A_SECOND = 50

/** The number of stock items over which a busy product is spread. */
export function Shards(props: { product: Product }) {
  const { product } = props
  const texts = useTexts()
  const { count } = useFormats()
  const [typed, setTyped] = useState<string | null>(null)
  const shown = typed ?? String(product.shards)
  const shards = wholeOf(shown)
  const isRight = typeof shards === 'number' && shards >= 1 && shards <= MOST

  const setting = useMutation({
    mutationFn: (to: number) => setShards(product.id, product.version, to),
    onSuccess: (saved) => {
      keep(saved)
      setTyped(null)
      void reread('movements', product.id)
      say(texts.product.shardsSet)
    },
    onError: (error) => {
      rereadIfStale(error, 'product', product.id)
    },
  })
  const refusal = setting.error && explain(setting.error, texts).text
  const error = isRight ? refusal : texts.product.shardsWrong
  return (
    <Card title={texts.product.shards}>
      <form
        className="body stack tight"
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          if (isRight && shards !== product.shards) setting.mutate(shards)
        }}
      >
        <p>{isRight && texts.product.shardsLead(count(shards * ORDERS_A_SECOND))}</p>
        <div className="row end">
          <Field
            label={texts.product.shardsField}
            error={error ?? undefined}
            value={shown}
            inputMode="numeric"
            autoComplete="off"
            onChange={(event) => {
              setting.reset()
              setTyped(event.target.value)
            }}
          />
          <button
            type="submit"
            className="button"
            disabled={!isRight || shards === product.shards || setting.isPending}
          >
            {texts.common.save}
          </button>
        </div>
        <p className="hint">{texts.product.shardsHint}</p>
      </form>
    </Card>
  )
}
