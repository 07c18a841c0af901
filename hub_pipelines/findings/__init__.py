"""What the rules of 2 CFR 200 find in awards and what was spent on them, kept from opening to closing (0082)."""
