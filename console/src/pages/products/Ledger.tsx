import '~/ui/chart.css'
import { Link } from '@tanstack/react-router'
import { RefreshCw } from 'lucide-react'
import { useCallback, useMemo } from 'react'
import type { Product } from '~/api/client'
import { useList } from '~/api/lists'
import { queries } from '~/api/queries'
import { currentUser } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { Card } from '~/ui/Card'
import { Empty } from '~/ui/Empty'
import { ListFrame } from '~/ui/ListFrame'
import { LoadMore } from '~/ui/LoadMore'
import { Skeleton } from '~/ui/Skeleton'
import { StepChart } from '~/ui/StepChart'
import { Table } from '~/ui/Table'
import { UserLink } from '../users/UserLink'
import { changeOf, isBehind, stepsOf } from './ledger'
import { type Movement, readMovements } from './products'

// Movements appear seconds after the change. With several stock items it is unknown whether any is missing.
const AGAIN_MS = 3000
const AGAIN_SHARDED_MS = 15_000

/** The movements of the product's stock, as steps and as a table. */
export function Ledger(props: { product: Product }) {
  const { product } = props
  const texts = useTexts()
  const list = useList(['movements', product.id], (cursor) => readMovements(product.id, cursor), {
    poll: (items, pages) => {
      // Someone who reads older ones is not interrupted.
      if (pages !== 1 || !isBehind(product, items)) return false
      return product.shards === 1 ? AGAIN_MS : AGAIN_SHARDED_MS
    },
  })
  const movements = list.items
  return (
    <Card
      title={texts.product.ledger}
      aside={
        <button
          type="button"
          className="button plain icon no-print"
          aria-label={texts.product.refresh}
          title={texts.product.refresh}
          onClick={() => void queries.resetQueries({ queryKey: ['movements', product.id] })}
        >
          <RefreshCw size={15} aria-hidden />
        </button>
      }
    >
      <ListFrame
        list={list}
        empty={<Empty title={texts.product.ledgerEmpty} lead={texts.product.ledgerEmptyLead} />}
        more={
          // The plot has all movements that were read, so there are no parts.
          <LoadMore
            shown={movements.length}
            hasMore={list.hasNextPage}
            busy={list.isFetchingNextPage}
            more={list.fetchNextPage}
          />
        }
      >
        {list.isPending ? (
          <div className="body tall">
            <Skeleton lines={6} />
          </div>
        ) : (
          <>
            <Levels product={product} movements={movements} until={list.dataUpdatedAt} />
            <MovementTable product={product} movements={movements} />
          </>
        )}
      </ListFrame>
    </Card>
  )
}

const DAY_SECONDS = 86_400

function Levels(props: { product: Product; movements: Movement[]; until: number }) {
  const { product, movements, until } = props
  const texts = useTexts()
  const { count, locale } = useFormats()
  const steps = useMemo(() => stepsOf(product, movements, until), [product, movements, until])
  const names = useMemo(
    () => ({ main: texts.product.available, other: texts.product.onHand, time: texts.product.when }),
    [texts],
  )
  const time = useCallback(
    (seconds: number, span: number) =>
      new Intl.DateTimeFormat(locale, {
        ...(span > 0 && span < 1.5 * DAY_SECONDS ? {} : { day: 'numeric', month: 'short' }),
        ...(span < 4 * DAY_SECONDS ? { hour: '2-digit', minute: '2-digit' } : {}),
        ...(span > 0 && span < 600 ? { second: '2-digit' } : {}),
      }).format(new Date(seconds * 1000)),
    [locale],
  )
  return (
    <div className="body">
      <StepChart
        steps={steps}
        label={texts.product.ledgerPlot(count(movements.length))}
        names={names}
        format={count}
        time={time}
      />
    </div>
  )
}

function MovementTable(props: { product: Product; movements: Movement[] }) {
  const { product, movements } = props
  const texts = useTexts()
  const hasShards = product.shards > 1 || movements.some((it) => it.shard > 0)
  return (
    <Table
      columns={[
        texts.product.when,
        texts.product.cause,
        texts.product.who,
        { name: texts.product.available, isNumber: true },
        { name: texts.product.reserved, isNumber: true },
      ]}
    >
      {movements.map((it) => (
        <Row key={`${it.shard} ${it.version}`} movement={it} hasShards={hasShards} />
      ))}
    </Table>
  )
}

function Row(props: { movement: Movement; hasShards: boolean }) {
  const { movement, hasShards } = props
  const texts = useTexts()
  const formats = useFormats()
  const change = changeOf(movement)
  const isOrder = movement.cause.startsWith('order-')
  const cause = texts.product.causes[movement.cause] ?? movement.cause
  return (
    <tr>
      <td className="quiet">
        <time dateTime={movement.at} title={formats.ago(movement.at)}>
          {formats.dateTime(movement.at)}
        </time>
      </td>
      <td className={hasShards ? 'wide' : 'end'}>
        {isOrder ? (
          <Link to="/orders/$id" params={{ id: movement.ref }}>
            {cause}
          </Link>
        ) : (
          cause
        )}
        {hasShards && <span className="hint"> {texts.product.shard(movement.shard)}</span>}
      </td>
      <td className="quiet minor">
        <Actor id={movement.actor} isShown={!isOrder} />
      </td>
      <Units name={texts.product.available} change={change.available} after={movement.available.after} />
      <Units name={texts.product.reserved} change={change.reserved} after={movement.reserved.after} end />
    </tr>
  )
}

/** A change and the level after it: +10 → 18. */
function Units(props: { name: string; change: number; after: number; end?: boolean }) {
  const { count } = useFormats()
  const { name, change, after, end } = props
  return (
    <td className={end ? 'number end' : 'number'}>
      <span className="only-card hint">{name} </span>
      {change !== 0 && (
        <>
          {change > 0 ? '+' : '−'}
          {count(Math.abs(change))}
          <span className="hint"> → </span>
        </>
      )}
      <span className={change ? undefined : 'hint'}>{count(after)}</span>
    </td>
  )
}

/** The actor of a movement, of which the API has the id. An order names its own. */
function Actor(props: { id: string; isShown: boolean }) {
  const texts = useTexts()
  const user = currentUser()
  if (props.id === 'system') return texts.common.roles.system
  if (props.id === user?.id) return texts.product.you
  if (!props.isShown) return null
  return <UserLink id={props.id} />
}
