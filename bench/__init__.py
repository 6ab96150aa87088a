"""Le banc de mesure : ce que coûtent nos serveurs, à côté d'autres et d'une limite."""
