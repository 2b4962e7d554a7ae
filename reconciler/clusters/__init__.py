"""The clusters that can be reconciled: one protocol (`base`), one package per backend."""
