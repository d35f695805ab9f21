"""The kinds Moorage defines: their wire types, and the CRDs generated from them."""
