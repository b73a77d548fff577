// Strings interned at build time that the scan of the sources does not find.
Q(/lib)
