import { useMemo } from 'react'
import { useFormats, useTexts } from '~/texts'
import { Card } from '~/ui/Card'
import { Skeleton } from '~/ui/Skeleton'
import { AttemptsPlot } from './AttemptsPlot'
import { duration, figuresOf, pointsOf } from './attempts'
import type { Delivery } from './webhooks'

/** How fast and how reliably the receiver answered, from the deliveries that were loaded. */
export function AttemptFigures(props: { deliveries: Delivery[]; isPending: boolean }) {
  const { deliveries, isPending } = props
  const texts = useTexts()
  const { count, locale } = useFormats()
  const figures = useMemo(() => figuresOf(deliveries), [deliveries])
  const points = useMemo(() => pointsOf(deliveries), [deliveries])
  if (isPending)
    return (
      <Card title={texts.webhooks.plot.title}>
        <div className="body tall">
          <Skeleton lines={6} />
        </div>
      </Card>
    )
  if (!figures.attempts) return null
  const percent = Math.floor((figures.succeeded / figures.attempts) * 100)
  return (
    <Card
      title={texts.webhooks.plot.title}
      aside={<span className="small quiet">{texts.webhooks.plot.of(count(figures.attempts))}</span>}
    >
      <div className="body stack tight">
        <dl className="figures">
          <div>
            <dt>{texts.webhooks.plot.succeeded}</dt>
            <dd className={percent < 90 ? 'error' : ''}>{percent} %</dd>
          </div>
          <div>
            <dt>{texts.webhooks.plot.half}</dt>
            <dd>{figures.half === null ? '–' : duration(figures.half, locale)}</dd>
          </div>
          <div>
            <dt>{texts.webhooks.plot.most}</dt>
            <dd>{figures.most === null ? '–' : duration(figures.most, locale)}</dd>
          </div>
        </dl>
        <AttemptsPlot points={points} />
        <div className="row small quiet" aria-hidden>
          <span className="badge green">{texts.webhooks.attemptStatuses.succeeded}</span>
          <span className="badge red">{texts.webhooks.attemptStatuses.failed}</span>
        </div>
      </div>
    </Card>
  )
}
