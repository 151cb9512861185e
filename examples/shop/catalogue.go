package shop

import (
	"fmt"
	"strconv"
	"strings"
)

// The catalogue: 400 products on 40 pages, the same in every replica.
const (
	pages   = 40
	perPage = 10
)

// A product is one thing for sale.
type product struct {
	SKU        string `json:"sku"` // "sku-0001" to "sku-0400"
	Name       string `json:"name"`
	PriceCents int    `json:"price_cents"`
}

// productsOn is one page of the catalogue; pages count from 1.
func productsOn(page int) []product {
	products := make([]product, perPage)
	for i := range products {
		products[i] = productNumber((page-1)*perPage + i + 1)
	}
	return products
}

// productOf finds a product by its SKU.
func productOf(sku string) (product, bool) {
	digits, ok := strings.CutPrefix(sku, "sku-")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || n > pages*perPage {
		return product{}, false
	}
	p := productNumber(n)
	return p, p.SKU == sku
}

func productNumber(n int) product {
	things := [...]string{"teapot", "lamp", "kettle", "chair", "notebook", "umbrella", "clock", "scarf"}
	colours := [...]string{"blue", "green", "red", "grey", "yellow"}
	return product{
		SKU:        fmt.Sprintf("sku-%04d", n),
		Name:       colours[n%len(colours)] + " " + things[n%len(things)],
		PriceCents: 499 + 137*n%9000,
	}
}
