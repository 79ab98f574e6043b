export {
  folderOf,
  handedOver,
  type Manifest,
  manifestIn,
  monitoring,
  natsOrchestrator,
  otherOperator,
  places,
} from 'holdfast/demonstrations/nats-orchestrator'
