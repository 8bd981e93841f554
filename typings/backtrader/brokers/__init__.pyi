from .bbroker import BackBroker as BackBroker
