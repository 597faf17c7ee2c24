"""DICOM doors around the service: what is received is durable, one job a study, results delivered to every destination.

    C-STORE --receiver--> Spool and Ledger --worker--> the service --> Ledger --deliverer--> C-STORE | STOW-RS | webhook

A process of its own. The receiver only writes to disk and answers; the worker asks the service over HTTP; the deliverer sends. What one
hands to the next stands in the ledger, in one transaction with the state that it leaves behind, so that a process that dies at any point
finds its work again.
"""
